"""Changes of pixel values: channel shift, brightness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.core import config
from lamella.core.types import Array

WHITE = 255.0  # the brightest value of an image file


def apply_channel_shift(x: Array, intensity: float, channel_axis: int = 0) -> NDArray[np.generic]:
    """x + intensity, clipped to the smallest and the largest value of x.

    Args:
        x: One image, rank 3, of integers or floats.
        intensity: The number that is added.
        channel_axis: Not used, because all channels get the same shift, as in Keras.

    Returns:
        A new array of x's shape.

    Source: keras-preprocessing 1.1.0.
    """
    x = np.asarray(x)
    shifted: NDArray[np.generic] = np.clip(x + intensity, x.min(), x.max())
    return shifted


def apply_brightness_shift(x: Array, brightness: float, scale: bool = False) -> NDArray[np.generic]:
    """x * brightness, clipped at 255. A value of x that is above 255 is not increased.

    Args:
        x: One image, rank 3, with values from 0 (black) to 255 (white).
        brightness: 0 gives a black image, 1 does not change x.
        scale: Whether first, as in keras-preprocessing 1.1.0, x is shifted so that its smallest value is 0 or more, and scaled so
            that its largest value is 255.

    Returns:
        A new array with the shape of x, and its dtype if that is floating, else floatx().

    Deviation: Keras always scales the values, so that even brightness 1 changes a dark image, and rounds to integers. The pixels
        of an image with values from 0 to 255 differ from Keras's by less than 1.
    """
    values = np.asarray(x)
    values = values if values.dtype.kind == "f" else values.astype(config.floatx())
    if scale:
        values = stretched(values)
    white = values.dtype.type(WHITE)
    brighter: NDArray[np.generic] = np.minimum(values * values.dtype.type(brightness), np.maximum(values, white))
    return brighter


def stretched(values: Array) -> Array:
    """The values, shifted so that none is negative, then scaled so that the largest value is 255.

    Source: keras-preprocessing 1.1.0.
    """
    floats = values if values.dtype.kind == "f" else values.astype(config.floatx())
    moved: Array = floats + max(-floats.min(), 0)
    largest = moved.max()
    if largest != 0:
        moved /= largest
    moved *= WHITE
    return moved
