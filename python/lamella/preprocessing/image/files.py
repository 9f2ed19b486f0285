"""Converts arrays to images and back, and writes images to files, as keras-preprocessing 1.1.0."""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lamella.core import config
from lamella.core.checks import as_array
from lamella.core.files import replace_file
from lamella.core.warn import warn
from lamella.preprocessing.image.loading import PathOrFile, imported_pillow
from lamella.preprocessing.image.pixels import stretched

if TYPE_CHECKING:
    from PIL.Image import Image


def img_to_array(img: object, data_format: str | None = None, dtype: DTypeLike | None = None) -> NDArray[np.generic]:
    """The pixels of an image, or of an array of rank 2 or 3.

    Args:
        img: A Pillow image or an array.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        dtype: Dtype of the result. None means floatx().

    Returns:
        dtype [H, W, C], or [C, H, W] for channels_first (a view of the former); C = 1 for grayscale.

    Raises:
        ValueError: The rank or the data_format is not one of these.

    Source: keras-preprocessing 1.1.0.
    """
    data_format = config.image_data_format() if data_format is None else data_format
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {data_format}")
    x = as_array(img, config.floatx() if dtype is None else dtype, "img_to_array")
    if x.ndim == 2:
        return x[np.newaxis] if data_format == "channels_first" else x[..., np.newaxis]
    if x.ndim != 3:
        raise ValueError(f"Unsupported image shape: {x.shape}")
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def array_to_img(x: ArrayLike, data_format: str | None = None, scale: bool = True, dtype: DTypeLike | None = None) -> Image:
    """A Pillow image with the pixels in x. x is not changed.

    Args:
        x: [H, W, C] or [C, H, W] with C = 1, 3 or 4.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        scale: Whether to shift the values so that none is negative, then scale them so that the largest is 255. Otherwise values
            are truncated to integers; those outside 0 to 255 become 0 or 255, and NaN becomes 0, with a warning.
        dtype: Dtype of the computation. None means floatx().

    Raises:
        ValueError: The rank, the number of channels or the data_format is not one of these, or the image is empty.

    Source: keras-preprocessing 1.1.0, where 256 becomes 0; 1.1.1 and later shift by the minimum even if it is positive.
    """
    pillow = imported_pillow("array_to_img")
    values = as_array(x, config.floatx() if dtype is None else dtype, "array_to_img")
    if values.ndim != 3:
        raise ValueError(f"Expected image array to have rank 3 (single image). Got array with shape: {values.shape}")
    data_format = config.image_data_format() if data_format is None else data_format
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Invalid data_format: {data_format}")
    if data_format == "channels_first":
        values = values.transpose(1, 2, 0)
    if values.shape[2] not in (1, 3, 4):
        raise ValueError(f"Unsupported channel number: {values.shape[2]}")
    if values.size == 0:
        raise ValueError(f"array_to_img: expected at least one pixel, got shape {values.shape}")
    if scale:
        values = stretched(values)
    pixels = _bytes(values)
    image: Image = pillow.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return image


def save_img(
    path: PathOrFile,
    x: ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write the pixels in x to a file. At any time, also after an interrupt, the file is the complete old or new one.

    Args:
        path: Path of the file; or a file that is open for writing, which needs a file_format.
        x: [H, W, C] or [C, H, W] by data_format, of integers or floats; see `array_to_img`.
        data_format: See array_to_img.
        file_format: Pillow's name of the format, or "jpg". None uses the extension of the path.
        scale: See array_to_img.
        kwargs: Arguments of Pillow's writer, for example quality=95.

    Raises:
        OSError: RGBA cannot be written as JPEG without a file_format. With one it is converted to RGB, with a warning.
        ValueError: Pillow does not write the format.

    Source: keras-preprocessing 1.1.0, where file_format="jpg" is a KeyError.
    """
    if isinstance(path, (str, os.PathLike)):
        replace_file(path, encoded_img(path, x, data_format, file_format, scale, **kwargs))
    else:
        _encode(path, x, data_format, file_format, scale, **kwargs)


def encoded_img(
    path: str | os.PathLike[str],
    x: ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> memoryview:
    """The bytes that save_img writes to `path`. The arguments and errors are those of save_img."""
    file = _Unwritten()
    file.name = os.fspath(path)
    _encode(file, x, data_format, file_format, scale, **kwargs)
    return file.getbuffer()


class _Unwritten(io.BytesIO):
    """The contents of a file that is not written yet. Pillow takes the format from the extension of its name."""

    name: str


def _encode(
    file: IO[bytes], x: ArrayLike, data_format: str | None, file_format: str | None, scale: bool, **kwargs: Any
) -> None:
    image = array_to_img(x, data_format, scale)
    if file_format is not None and file_format.lower() in ("jpg", "jpeg"):
        file_format = "jpeg"
        if image.mode == "RGBA":
            warn("The JPG format does not support RGBA images, converting to RGB.")
            image = image.convert("RGB")
    try:
        image.save(file, format=file_format, **kwargs)
    except KeyError as error:
        if file_format is None or error.args != (file_format.upper(),):
            raise
        raise ValueError(f"Pillow does not write the format {file_format!r}") from None


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Truncate values to uint8. Warn of values outside 0 to 255."""
    outside = ~((values > -1) & (values < 256))  # also true for NaN
    if count := np.count_nonzero(outside):
        warn(
            f"array_to_img: {count} of {values.size} values, {values.min()} to {values.max()}, are outside 0 to 255 and become 0 "
            "or 255; scale=True scales them"
        )
        values = np.clip(np.nan_to_num(values), 0, 255)
    return values.astype(np.uint8)
