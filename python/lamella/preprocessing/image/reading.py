"""Reader: reads image files as pixels of one size, with a cache in memory if the user wants one."""

from __future__ import annotations

import io
import secrets
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.preprocessing.image.in_threads import in_threads
from lamella.preprocessing.image.jpeg import Frame, PillowDecoder, by_simplejpeg
from lamella.preprocessing.image.loading import (
    ColorMode,
    KeepAspectRatio,
    check_interpolation,
    converted_and_resized,
    image_of,
    load_img,
    pixels_of,
)

# How much one call reads before the files are decoded. Files that are larger than this are read one at a time.
_CHUNK_FILES, _CHUNK_BYTES = 64, 1 << 20
# A thread is started for as many bytes as it decodes in a few milliseconds: the start takes 0.1 ms, and small images do not gain,
# because half of their time is spent with the interpreter's lock.
_THREAD_BYTES = 1 << 16
# The path of a file; its contents, None if read_files could not read them; its entry of _kernels.jpeg_frames.
_File: TypeAlias = tuple[str, bytes | None, Frame | None]


class FileOptions(TypedDict, total=False):
    """Keyword arguments of lamella's iterators of files that Keras does not have.

    Attributes:
        on_error: "raise", the default: a file that cannot be read ends the training with an error that names its path. "skip":
            its sample is omitted from the batch and counted as `skipped` in the epoch's logs. "blank": it is counted too, and its
            sample stays in the batch as an image of zeros, so that batches have their size and predictions their order.
        keep_aspect_ratio: See load_img; False by default.
        exif_orientation: See load_img; False by default.
        draft: See load_img; False by default.
        decoder: The decoder of files that are JPEGs by name and content: "pillow", the default, or "simplejpeg", which must be
            installed. Its pixels differ from Pillow's by at most 2 of 255, and also where colours are converted to grey.
        cache_bytes: The limit, in bytes, of the resized pixels that stay in memory; 0 by default. Copies of an iterator in one
            process share a cache. Each worker process has its own, which lasts as long as the process: until the end of fit, but
            only one epoch if the iterator cannot be pickled or is large.
    """

    on_error: Literal["raise", "skip", "blank"]
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
    for name, allowed in (("on_error", ("raise", "skip", "blank")), ("decoder", ("pillow", "simplejpeg"))):
        given = options.get(name, allowed[0])
        if given not in allowed:
            quoted = [f'"{value}"' for value in allowed]
            raise ValueError(f"{who}: expected {name} to be {', '.join(quoted[:-1])} or {quoted[-1]}, got {given!r}")
    size = options.get("cache_bytes", 0)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
        raise ValueError(f"{who}: expected cache_bytes to be a number of bytes, got {size!r}")


class _Cache:
    """The pixels of files that stay in memory.

    Args:
        size: Their limit in bytes.
    """

    def __init__(self, size: int) -> None:
        self.pixels: dict[str, Array] = {}
        self._free_bytes = size
        self._lock = threading.Lock()

    def add(self, path: str, pixels: Array) -> None:
        """Keep the pixels of a file if there is room for them."""
        if pixels.nbytes <= self._free_bytes:
            with self._lock:
                if pixels.nbytes <= self._free_bytes and path not in self.pixels:
                    self.pixels[path] = pixels
                    self._free_bytes -= pixels.nbytes


# The caches in use, by the `cache_key` of their Readers. A worker process receives the iterator again for each epoch.
_caches: weakref.WeakValueDictionary[str, _Cache] = weakref.WeakValueDictionary()


class Reader:
    """Reads files and returns their pixels: uint8 (uint16 for "grayscale16") [H, W, C], or [C, H, W].

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
        self.cache_key = secrets.token_hex(16) if self.cache_bytes else ""
        if self.decoder == "simplejpeg":
            import simplejpeg  # noqa: F401 - to fail here, and not during training
        self._set_unpickled()

    def _set_unpickled(self) -> None:
        """Set the attributes that a pickle does not have."""
        self._cache = _caches.setdefault(self.cache_key, _Cache(self.cache_bytes))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_unpickled()

    def each(self, paths: Sequence[str]) -> Iterator[Array | Exception]:
        """The pixels of each file, in order. For a file that cannot be read or decoded: the error that load_img raises."""
        place = 0
        while place < len(paths):
            chunk = paths[place : place + _CHUNK_FILES]
            known = [self._cache.pixels.get(path) for path in chunk]
            unknown = [path for path, pixels in zip(chunk, known) if pixels is None]
            read = _kernels.read_files(unknown, _CHUNK_BYTES) if unknown else []
            decoded = iter(self._all_pixels(list(zip(unknown, read, _kernels.jpeg_frames(read)))))
            for pixels in known:
                result = next(decoded, None) if pixels is None else pixels
                if result is None:  # read_files has stopped early because the files are large
                    break
                yield result
                place += 1

    def _all_pixels(self, files: list[_File]) -> list[Array | Exception]:
        size = sum(_CHUNK_BYTES if data is None else len(data) for _, data, _ in files)
        return in_threads(lambda: partial(self._pixels, PillowDecoder()), files, size // _THREAD_BYTES)

    def _pixels(self, pillow: PillowDecoder, file: _File) -> Array | Exception:
        try:
            pixels = self._decoded(pillow, *file)
        except Exception as error:
            return error
        self._cache.add(file[0], pixels)
        return pixels

    def _decoded(self, pillow: PillowDecoder, path: str, data: bytes | None, frame: Frame | None) -> Array:
        stored = self._stored(pillow, path, data, frame)
        if stored.ndim == 2:
            stored = stored[..., np.newaxis]
        return stored.transpose(2, 0, 1) if self.data_format == "channels_first" else stored

    def _stored(self, pillow: PillowDecoder, path: str, data: bytes | None, frame: Frame | None) -> Array:
        """The pixels [H, W] or [H, W, C]."""
        height, width = self.target_size
        image = None
        if not self.exif_orientation:
            if self.decoder == "simplejpeg" and path.lower().endswith((".jpg", ".jpeg")):
                least = self.target_size if self.draft else (0, 0)
                pixels = by_simplejpeg(path, _whole(path) if data is None else data, frame, least)
                if pixels is not None and pixels.shape == (height, width, 3) and self.color_mode == "rgb":
                    return pixels
                image = None if pixels is None else image_of(pixels)
            elif data is not None and frame is not None and not self.draft:
                image = pillow(path, data, frame)
                if image is not None and frame == (width, height, 3) and self.color_mode == "rgb":
                    return pixels_of(image)
        if image is None:
            return np.asarray(
                load_img(
                    path if data is None else _Named(path, data),
                    color_mode=self.color_mode,
                    target_size=self.target_size,
                    interpolation=self.interpolation,
                    keep_aspect_ratio=self.keep_aspect_ratio,
                    exif_orientation=self.exif_orientation,
                    draft=self.draft,
                )
            )
        return pixels_of(
            converted_and_resized(image, path, self.color_mode, self.target_size, self.interpolation, self.keep_aspect_ratio)
        )


class _Named(io.BytesIO):
    """The contents of a file, with the name for error messages."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name = name


def _whole(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
