"""Rows of a table."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def take(x: Array, *, indices: Array) -> tuple[Array, Backward]:
    """The rows x[indices]; the gradient of a row that is taken several times is the sum, in the order of the indices.

    Args:
        x: float [R, ...]; of other dtypes there is no gradient.
        indices: Whole numbers in [0, R), any shape.

    Returns:
        x's dtype, [indices' shape, x's other axes].

    Raises:
        ValueError: For an index outside [0, R).
    """
    if indices.size and (indices.min() < 0 or indices.max() >= len(x)):
        raise ValueError(f"take: expected indices in [0, {len(x)}), got {indices.min()} to {indices.max()}")
    if x.dtype not in (np.float32, np.float64):
        return x[indices], lambda dy, need: (None,)
    shape, rows = x.shape, contiguous(indices.astype(np.int64, copy=False).reshape(-1))
    columns = count(shape[1:])
    y = empty_like(x, (rows.size, columns))
    _kernels.take_forward(contiguous(x.reshape(len(x), columns)), rows, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, (shape[0], columns))
        _kernels.take_backward(contiguous(dy.reshape(rows.size, columns)), rows, dx)
        return (dx.reshape(shape),)

    return y.reshape(*indices.shape, *shape[1:]), backward
