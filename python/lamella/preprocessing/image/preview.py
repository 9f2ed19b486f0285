"""Contact sheets: what an iterator makes, as one picture."""

from __future__ import annotations

import math
import os

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.files import save_img

_GAP = 2  # pixels between images


def write_sheet(path: str | os.PathLike[str], images: Array, data_format: str) -> None:
    """Images side by side, in rows of equal length, as a PNG.

    Args:
        images: [N, H, W, C] or [N, C, H, W], N >= 1; of other numbers of channels than 1, 3 and 4 the first is shown. Values from 0
            to 255 stay; those from 0 to 1 are scaled, and others stretched, all images by the same numbers.
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
