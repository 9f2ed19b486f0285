"""Reader: image files to pixels of one size, from a cache where there is one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.files import img_to_array
from lamella.preprocessing.image.loading import (
    ColorMode,
    KeepAspectRatio,
    check_interpolation,
    check_pixels,
    convert,
    load_img,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class FileOptions(TypedDict, total=False):
    """What lamella's iterators of files take beyond Keras's arguments, by keyword.

    Attributes:
        on_error: "raise", the default: a file that cannot be read ends the training, with its path. "skip": its sample is left
            out of the batch and counted as `skipped` in the epoch's logs.
        keep_aspect_ratio, exif_orientation, draft: As for load_img; False by default.
        decoder: Of files that are JPEGs by name and content: "pillow", the default, or "simplejpeg", which must be installed. Its
            pixels differ from Pillow's by at most 2 of 255, and where grey is made of colors.
        cache_bytes: Pixels of files, at the size of batches, stay in memory up to so many bytes; 0 by default. Worker processes
            have a cache each.
    """

    on_error: Literal["raise", "skip"]
    keep_aspect_ratio: KeepAspectRatio
    exif_orientation: bool
    draft: bool
    decoder: Literal["pillow", "simplejpeg"]
    cache_bytes: int


def check_options(who: str, options: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError unless they are FileOptions."""
    unknown = set(options) - set(FileOptions.__annotations__)
    if unknown:
        raise TypeError(f"{who} got an unexpected keyword argument {min(unknown)!r}")
    for name, allowed in (("on_error", ("raise", "skip")), ("decoder", ("pillow", "simplejpeg"))):
        given = options.get(name, allowed[0])
        if given not in allowed:
            raise ValueError(f'{who}: expected {name} to be "{allowed[0]}" or "{allowed[1]}", got {given!r}')
    size = options.get("cache_bytes", 0)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
        raise ValueError(f"{who}: expected cache_bytes to be a number of bytes, got {size!r}")


class Reader:
    """Calls give the pixels of a file: uint8 (uint16 for "grayscale16") [H, W, C], or [C, H, W] for channels_first. They may be
    shared: nobody writes to them.

    Args:
        target_size: (height, width).
        options: FileOptions.

    Raises:
        ImportError: Without simplejpeg, where it is the decoder.
        ValueError: For an interpolation that load_img does not have.
    """

    def __init__(
        self,
        color_mode: ColorMode,
        target_size: tuple[int, int],
        interpolation: str,
        data_format: str,
        options: FileOptions,
    ) -> None:
        check_interpolation(interpolation)
        self.color_mode: ColorMode = color_mode
        self.target_size = target_size
        self.interpolation = interpolation
        self.data_format = data_format
        self.keep_aspect_ratio: KeepAspectRatio = options.get("keep_aspect_ratio", False)
        self.exif_orientation = options.get("exif_orientation", False)
        self.draft = options.get("draft", False)
        self.decoder = options.get("decoder", "pillow")
        self.cache_bytes = options.get("cache_bytes", 0)
        if self.decoder == "simplejpeg":
            import simplejpeg  # noqa: F401 - to fail now, and not within the training
        self._make_unpickled()

    def _make_unpickled(self) -> None:
        self._lock = threading.Lock()
        self._cache: dict[str, Array] = {}
        self._room = self.cache_bytes

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_unpickled()

    def __call__(self, path: str) -> Array:
        """Raises what load_img raises."""
        cached = self._cache.get(path)
        if cached is not None:
            return cached
        stored = np.asarray(self._image(path))
        pixels = img_to_array(stored, self.data_format, stored.dtype)
        if pixels.nbytes <= self._room:
            with self._lock:
                if pixels.nbytes <= self._room and path not in self._cache:
                    self._cache[path] = pixels
                    self._room -= pixels.nbytes
        return pixels

    def _image(self, path: str) -> Image | Array:
        if self.decoder == "simplejpeg" and path.lower().endswith((".jpg", ".jpeg")) and not self.exif_orientation:
            decoded = self._by_simplejpeg(path)
            if decoded is not None:
                return decoded
        return load_img(
            path,
            color_mode=self.color_mode,
            target_size=self.target_size,
            interpolation=self.interpolation,
            keep_aspect_ratio=self.keep_aspect_ratio,
            exif_orientation=self.exif_orientation,
            draft=self.draft,
        )

    def _by_simplejpeg(self, path: str) -> Image | Array | None:
        """None for what simplejpeg does not decode as Pillow does: other files than JPEGs, and CMYK."""
        import simplejpeg

        with open(path, "rb") as file:
            data = file.read()
        if not data.startswith(b"\xff\xd8"):
            return None
        try:
            height, width, color, _ = simplejpeg.decode_jpeg_header(data)
            check_pixels(path, width * height)
            if color not in ("YCbCr", "Gray", "RGB"):
                return None
            pixels: Array = simplejpeg.decode_jpeg(
                data,
                "GRAY" if color == "Gray" else "RGB",
                min_height=self.target_size[0] if self.draft else 0,
                min_width=self.target_size[1] if self.draft else 0,
                # As Pillow, which keeps what the file says exactly.
                fastdct=False,
                fastupsample=False,
            )
        except ValueError as error:
            raise OSError(f"{path}: cannot decode this image: {error}") from error
        if self.color_mode == "rgb" and pixels.shape == (*self.target_size, 3):
            return pixels
        return convert(pixels, self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio)
