"""What kernels want of arrays."""

from __future__ import annotations

import functools

import numpy as np

# contiguous(x): x itself if it is C-contiguous and aligned, else a copy that is. empty_like(x, shape): a new C-contiguous
# array of x's dtype, and of its shape if none is given. In C++, since each op calls them, and NumPy's ways in cost more than
# small kernels.
from lamella._kernels import contiguous as contiguous
from lamella._kernels import empty_like as empty_like
from lamella.core.types import Array


def axis_of(axis: int, ndim: int) -> int:
    """`axis`, counted from the front. Raises ValueError if there is no such axis."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"expected an axis in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


@functools.cache
def absent(dtype: np.dtype) -> Array:
    """The empty array that stands for one that a kernel does without."""
    return np.empty(0, dtype)
