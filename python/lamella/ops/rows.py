"""Taking rows of a table."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core.rows_gradient import RowsGradient
from lamella.core.shapes import count
from lamella.core.types import Array, Value
from lamella.core.variable import Variable
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Found, differentiable


def take(x: Value, *, indices: Array) -> Value:
    """The rows x[indices]. If a row is taken several times, its gradients are summed in the order of the indices.

    Args:
        x: [R, ...]. It gets a gradient only if it is float32 or float64.
        indices: Whole numbers in [0, R), any shape.

    Returns:
        x's dtype, [indices' shape, x's other axes].

    Raises:
        ValueError: An index is outside [0, R).
    """
    # Only Tape.gradients reads the gradient of a Variable, and it knows RowsGradient.
    return _take(x, indices=indices, in_rows=type(x) is Variable)


@differentiable
def _take(x: Array, *, indices: Array, in_rows: bool) -> tuple[Array, Backward]:
    """in_rows: whether the gradient may be a RowsGradient."""
    if indices.size and (indices.min() < 0 or indices.max() >= len(x)):
        raise ValueError(f"take: expected indices in [0, {len(x)}), got {indices.min()} to {indices.max()}")
    if x.dtype not in (np.float32, np.float64):
        return x[indices], lambda dy, need: (None,)
    shape, rows = x.shape, contiguous(indices.astype(np.int64, copy=False).reshape(-1))
    columns = count(shape[1:])
    y = empty_like(x, (rows.size, columns))
    _kernels.take_forward(contiguous(x.reshape(len(x), columns)), rows, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Found:
        gradient = RowsGradient(shape, [(rows, contiguous(dy.reshape(rows.size, columns)))])
        # A RowsGradient is smaller only if fewer rows were taken than x has.
        return (gradient if in_rows and rows.size < shape[0] else gradient.dense(),)

    return y.reshape(*indices.shape, *shape[1:]), backward
