"""Cumulative sums and products along an axis, and the product over axes, in NumPy."""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array, Axes
from lamella.ops.arrays import axis_of
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def cumsum(x: Array, *, axis: int = 0) -> tuple[Array, Backward]:
    """y[i] = x[0] + ... + x[i] along `axis`; any shape with that axis. Booleans are counted."""

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (np.flip(np.cumsum(np.flip(dy, axis), axis, dtype=dy.dtype), axis),)

    return np.cumsum(x, axis, dtype=np.int64 if x.dtype.kind == "b" else x.dtype), backward


@differentiable
def cumprod(x: Array, *, axis: int = 0) -> tuple[Array, Backward]:
    """y[i] = x[0] * ... * x[i] along `axis`; any shape with that axis. The gradient is also exact if elements are zero."""
    y = np.cumprod(x, axis, dtype=x.dtype)
    return y, lambda dy, need: (_of_products(x, y, dy, axis),)


@differentiable
def prod(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """The product of x over `axis`, see `sum` for keepdims; any shape. The gradient is also exact if elements are zero."""
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(axis_of(a, x.ndim) for a in axes)
    y = np.asarray(np.prod(x, axes, dtype=x.dtype, keepdims=keepdims))

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        last = tuple(range(x.ndim - len(axes), x.ndim))
        moved = np.moveaxis(x, axes, last)
        rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
        d = np.zeros_like(rows)
        if rows.shape[-1]:
            d[..., -1] = dy.reshape(rows.shape[:-1])
        dx = _of_products(rows, np.cumprod(rows, -1, dtype=x.dtype), d, -1)
        return (np.moveaxis(dx.reshape(moved.shape), last, axes),)

    return y, backward


def _of_products(x: Array, y: Array, dy: Array, axis: int) -> Array:
    """dx[i] = y[i-1] * r[i], where r[i] = dy[i] + x[i+1] * r[i+1].

    r[i] is the sum over j >= i of dy[j] * x[i+1] * ... * x[j], so no division by x[i] is needed.
    """
    x, y, dy = (np.moveaxis(a, axis, 0) for a in (x, y, dy))
    r = dy.copy()
    for i in range(len(r) - 2, -1, -1):
        r[i] += x[i + 1] * r[i + 1]
    r[1:] *= y[:-1]
    return np.moveaxis(r, 0, axis)
