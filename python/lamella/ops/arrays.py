"""What kernels want of arrays."""

from __future__ import annotations

import functools

import numpy as np

from lamella.ops.tape import Array


def axis_of(axis: int, ndim: int) -> int:
    """`axis`, counted from the front. Raises ValueError if there is no such axis."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"expected an axis in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


def contiguous(x: Array) -> Array:
    """x itself if it is C-contiguous and aligned, else a copy that is."""
    flags = x.flags
    return x if flags.c_contiguous and flags.aligned else np.require(x, None, ("C", "A"))


@functools.cache
def absent(dtype: np.dtype) -> Array:
    """The empty array that stands for one that a kernel does without."""
    return np.empty(0, dtype)
