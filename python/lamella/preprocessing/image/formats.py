"""The data format of images: the axis of their channels."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.core import config
from lamella.core.warn import warn


def checked_format(data_format: str | None) -> str:
    """data_format, or image_data_format() for None. Raise ValueError if it is neither of the two formats."""
    data_format = config.image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            '`data_format` should be `"channels_last"` (channel after row and column) or `"channels_first"` (channel before row '
            f"and column). Received: {data_format}"
        )
    return data_format


def warn_of_channels(expected: str, shape: Sequence[int], data_format: str) -> None:
    """Warn if the number of channels of images [N, ...] is not 1, 3 or 4."""
    axis = 3 if data_format == "channels_last" else 1
    if shape[axis] not in (1, 3, 4):
        warn(
            f'{expected} following the data format convention "{data_format}" (channels on axis {axis}), i.e. expected either 1, '
            f"3 or 4 channels on axis {axis}. However, it was passed an array with shape {tuple(shape)} ({shape[axis]} channels)."
        )
