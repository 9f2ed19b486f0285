"""Reader: reads image files as pixels of one size, with a cache in memory if the user wants one."""

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
    """Keyword arguments of lamella's iterators of files that Keras does not have.

    Attributes:
        on_error: "raise", the default: a file that cannot be read ends the training with an error that names its path. "skip":
            its sample is omitted from the batch and counted as `skipped` in the epoch's logs.
        keep_aspect_ratio: See load_img; False by default.
        exif_orientation: See load_img; False by default.
        draft: See load_img; False by default.
        decoder: The decoder of files that are JPEGs by name and content: "pillow", the default, or "simplejpeg", which must be
            installed. Its pixels differ from Pillow's by at most 2 of 255, and also where colours are converted to grey.
        cache_bytes: The limit, in bytes, of the resized pixels that stay in memory; 0 by default. Each worker process has its own
            cache.
    """

    on_error: Literal["raise", "skip"]
    keep_aspect_ratio: KeepAspectRatio
    exif_orientation: bool
    draft: bool
    decoder: Literal["pillow", "simplejpeg"]
    cache_bytes: int


def check_options(who: str, options: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError unless the options are FileOptions."""
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
    """A function from the path of a file to its pixels: uint8 (uint16 for "grayscale16") [H, W, C], or [C, H, W].

    The pixels may be shared with the cache, so they must not be written.

    Args:
        color_mode: See load_img.
        target_size: (height, width).
        interpolation: See load_img.
        data_format: "channels_last" or "channels_first".
        options: FileOptions.

    Raises:
        ImportError: The decoder is simplejpeg, which is not installed.
        ValueError: load_img does not have the interpolation.
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
            import simplejpeg  # noqa: F401 - to fail here, and not during training
        self._set_unpickled()

    def _set_unpickled(self) -> None:
        """Set the attributes that a pickle does not have."""
        self._lock = threading.Lock()
        self._cache: dict[str, Array] = {}
        self._free_bytes = self.cache_bytes

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_unpickled()

    def __call__(self, path: str) -> Array:
        """The pixels of a file. The errors are those of load_img."""
        cached = self._cache.get(path)
        if cached is not None:
            return cached
        stored = np.asarray(self._image(path))
        pixels = img_to_array(stored, self.data_format, stored.dtype)
        if pixels.nbytes <= self._free_bytes:
            with self._lock:
                if pixels.nbytes <= self._free_bytes and path not in self._cache:
                    self._cache[path] = pixels
                    self._free_bytes -= pixels.nbytes
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
        """None for files that simplejpeg does not decode as Pillow does: CMYK, and files that are not JPEGs."""
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
                # The exact methods, which Pillow uses.
                fastdct=False,
                fastupsample=False,
            )
        except ValueError as error:
            raise OSError(f"{path}: cannot decode this image: {error}") from error
        if self.color_mode == "rgb" and pixels.shape == (*self.target_size, 3):
            return pixels
        return convert(pixels, self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio)
