"""Arrays to images and to files, and images to arrays, as keras-preprocessing 1.1.0 does it."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lamella.core import config
from lamella.core.checks import as_array
from lamella.core.warn import warn
from lamella.preprocessing.image.loading import PathOrFile, imported_pillow
from lamella.preprocessing.image.pixels import stretched

if TYPE_CHECKING:
    from PIL.Image import Image


def img_to_array(img: object, data_format: str | None = None, dtype: DTypeLike | None = None) -> NDArray[np.generic]:
    """The pixels of an image, or of an array of rank 2 or 3.

    Args:
        img: A Pillow image or an array.
        data_format: None: lamella's image_data_format().
        dtype: None: floatx().

    Returns:
        Dtype [H, W, C], or [C, H, W] for channels_first (a view of the former); C = 1 for grayscale.

    Raises:
        ValueError: For another rank or data_format.

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
    """An image of the pixels in x; x stays as it is.

    Args:
        x: [H, W, C] or [C, H, W] with C = 1, 3 or 4.
        data_format: None: lamella's image_data_format().
        scale: Shift so that nothing is negative, then stretch so that the largest value is 255; else values are cut to whole
            numbers as they are, those outside 0 to 255 become 0 or 255, NaN 0, with a warning.
        dtype: To compute in; None: floatx().

    Raises:
        ValueError: For another rank, number of channels or data_format, and for an empty image.

    Source: keras-preprocessing 1.1.0, where 256 becomes 0; 1.1.1 and later shift by the minimum even where it is positive.
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
    """Writes the pixels in x to a file, which appears complete or not at all.

    Args:
        path: Or a file open for writing, which needs a file_format.
        file_format: Pillow's name, or "jpg"; None: by the path's extension.
        kwargs: For Pillow's writer, such as quality=95. The rest as for array_to_img.

    Raises:
        OSError: For RGBA in a JPEG named only by the extension; with file_format it becomes RGB, with a warning.

    Source: keras-preprocessing 1.1.0, where file_format="jpg" is a KeyError.
    """
    image = array_to_img(x, data_format, scale)
    if file_format is not None and file_format.lower() in ("jpg", "jpeg"):
        file_format = "jpeg"
        if image.mode == "RGBA":
            warn("The JPG format does not support RGBA images, converting to RGB.")
            image = image.convert("RGB")
    if not isinstance(path, (str, os.PathLike)):
        image.save(path, format=file_format, **kwargs)
        return
    final = os.path.realpath(path)  # a link stays a link
    if os.path.exists(final) and not os.path.isfile(final):
        image.save(final, format=file_format, **kwargs)  # a device or a pipe has no other place to be written
        return
    directory, name = os.path.split(final)
    beside = os.path.join(directory, f".{secrets.token_hex(4)}-{name}")  # Pillow reads the format off the extension
    try:
        image.save(beside, format=file_format, **kwargs)
        os.replace(beside, final)
    except BaseException:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Cut to whole numbers. Warns where that is not all."""
    outside = ~((values > -1) & (values < 256))  # NaN, too
    if count := np.count_nonzero(outside):
        warn(
            f"array_to_img: {count} of {values.size} values, {values.min()} to {values.max()}, lie outside 0 to 255 and become 0 "
            "or 255; scale=True stretches them"
        )
        values = np.clip(np.nan_to_num(values), 0, 255)
    return values.astype(np.uint8)
