"""The distance from slow, obvious float64 versions, and random arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Reference = NDArray[np.float64]


def distance(got: NDArray[np.floating], wanted: Reference) -> float:
    """The largest difference, divided by the largest element of `wanted`."""
    if got.shape != wanted.shape:
        raise ValueError(f"distance: expected shape {wanted.shape}, got {got.shape}")
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def numbers(shape: tuple[int, ...], seed: int) -> Array:
    """Standard normal float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def after(run: Callable[[], object], out: Array, wanted: Reference) -> float:
    """The distance of `out` from `wanted` after run() has written it."""
    run()
    return distance(out, wanted)
