"""Checks the numbers among the arguments of ImageDataGenerator."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

_ONE = ("rotation_range", "shear_range", "channel_shift_range", "cval", "zca_epsilon", "rescale")
_SEVERAL = ("width_shift_range", "height_shift_range", "brightness_range", "zoom_range")


def check_numbers(arguments: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError, with the argument's name, for an argument that must be numbers and is not.

    Without this check an image generator with a wrong argument fails only in training, or makes images of NaN.

    Args:
        arguments: The arguments of ImageDataGenerator by name.
    """
    for name in (*_ONE, *_SEVERAL):
        given = arguments[name]
        if given is None:
            continue
        values = list(given) if name in _SEVERAL and np.ndim(given) == 1 else [given]
        for value in values:
            if not isinstance(value, numbers.Real):
                what = "a number" if name in _ONE else "a number or a sequence of numbers"
                raise TypeError(f"ImageDataGenerator: expected {name} to be {what}, got {given!r}")
            if not math.isfinite(value):
                raise ValueError(f"ImageDataGenerator: expected {name} to be finite, got {given!r}")
