"""Slow, obvious float64 versions, and the distance from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Reference = NDArray[np.float64]


def distance(came: NDArray[np.floating], wanted: Reference) -> float:
    """The largest difference over the largest element wanted."""
    if came.shape != wanted.shape:
        raise ValueError(f"distance: expected shape {wanted.shape}, got {came.shape}")
    return float(np.abs(came - wanted).max() / np.abs(wanted).max())


def numbers(shape: tuple[int, ...], seed: int) -> Array:
    """Standard normal float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def after(run: Callable[[], object], out: Array, wanted: Reference) -> float:
    """The distance of what run() writes into `out`."""
    run()
    return distance(out, wanted)
