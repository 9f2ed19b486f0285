"""Contact sheets: the images of a batch in one picture."""

from __future__ import annotations

import math
import os

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.files import save_img

_GAP = 2  # pixels between images


def write_sheet(path: str | os.PathLike[str], images: Array, data_format: str) -> None:
    """Write images side by side, in rows of equal length, to a PNG file.

    Values from 0 to 1 are multiplied by 255. Values from 0 to 255 are not changed. Other values are scaled so that the range of
    all images together becomes 0 to 255.

    Args:
        path: Path of the file.
        images: [N, H, W, C] or [N, C, H, W], N >= 1. If C is not 1, 3 or 4, only the first channel is shown.
        data_format: "channels_last" or "channels_first".
    """
    if data_format == "channels_first":
        images = np.moveaxis(images, 1, 3)
    if images.shape[3] not in (1, 3, 4):
        images = images[..., :1]
    shown = _to_bytes(images.astype(np.float64))
    count, height, width, channels = shown.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), 255.0)
    for place, image in enumerate(shown):
        top, left = place // columns * (height + _GAP), place % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    save_img(path, sheet, data_format="channels_last", file_format="png", scale=False)


def _to_bytes(values: Array) -> Array:
    low, high = values.min(), values.max()
    if low >= 0 and 1 < high <= 255:
        return values
    if low >= 0 and high <= 1:
        return values * 255
    scaled: Array = (values - low) / (high - low) * 255 if high > low else np.zeros_like(values)
    return scaled
