"""Checks the arguments of ImageDataGenerator."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella.preprocessing.image.batch import FILL_MODES, ORDERS

_ONE = ("rotation_range", "shear_range", "channel_shift_range", "cval", "zca_epsilon", "rescale")
_SEVERAL = ("width_shift_range", "height_shift_range", "brightness_range", "zoom_range")


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError, with the argument's name, for a wrong argument.

    Without this check an image generator with a wrong argument fails only in training, or makes images of NaN.

    Args:
        arguments: The arguments of ImageDataGenerator by name.
    """
    _check_choices(arguments)
    _check_numbers(arguments)


def _check_choices(arguments: Mapping[str, Any]) -> None:
    fill_mode, order = arguments["fill_mode"], arguments["interpolation_order"]
    if fill_mode not in FILL_MODES:
        raise ValueError(
            f'ImageDataGenerator: expected fill_mode to be "nearest", "constant", "reflect" or "wrap", got {fill_mode!r}'
        )
    if order not in ORDERS:
        raise ValueError(f"ImageDataGenerator: expected interpolation_order to be 0, 1 or 3, got {order!r}")
    share, factors = arguments["validation_split"], arguments["brightness_range"]
    if share and not 0 < share < 1:
        raise ValueError(f"`validation_split` must be strictly between 0 and 1.  Received: {share}")
    if factors is not None and (not isinstance(factors, (tuple, list)) or len(factors) != 2):
        raise ValueError(f"`brightness_range should be tuple or list of two floats. Received: {factors}")
    if not 0 <= arguments["erasing_probability"] <= 1:
        raise ValueError(
            f"ImageDataGenerator: expected erasing_probability from 0 to 1, got {arguments['erasing_probability']}"
        )
    for name in ("mixup_alpha", "cutmix_alpha"):
        if not arguments[name] >= 0:
            raise ValueError(f"ImageDataGenerator: expected {name} to be 0 or more, got {arguments[name]}")


def _check_numbers(arguments: Mapping[str, Any]) -> None:
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
