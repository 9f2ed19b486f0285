"""The distance from slow, obvious float64 versions, and random arrays."""

from __future__ import annotations

import math
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


LINE = 64  # bytes of a cache line


def unwritten(shape: tuple[int, ...]) -> Array:
    """float32 at the beginning of a cache line, as lamella's pool and torch place it; NumPy places it up to 48 bytes later."""
    size = math.prod(shape)
    memory = np.empty(4 * size + LINE, np.uint8)
    begin = -memory.ctypes.data % LINE
    return memory[begin : begin + 4 * size].view(np.float32).reshape(shape)


def numbers(shape: tuple[int, ...], seed: int) -> Array:
    """Standard normal float32, placed as by `unwritten`."""
    return np.random.default_rng(seed).standard_normal(out=unwritten(shape), dtype=np.float32)


def after(run: Callable[[], object], out: Array, wanted: Reference) -> float:
    """The distance of `out` from `wanted` after run() has written it."""
    run()
    return distance(out, wanted)
