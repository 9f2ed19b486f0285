"""Cumulative sums and products along an axis, and the product over axes."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count, normalize_axis
from lamella.core.types import Array, Axes
from lamella.ops.arrays import absent, contiguous, empty_like, is_of_kernels
from lamella.ops.tape import Backward, Gradients, differentiable


def _cumulated(x: Array, axis: int, *, product: bool = False, reverse: bool = False, factors: Array | None = None) -> Array:
    """The kernel `cumulate` along an axis of a float array."""
    x, at = contiguous(x), normalize_axis(axis, x.ndim)
    shape = (count(x.shape[:at]), x.shape[at], count(x.shape[at + 1 :]))
    y = empty_like(x)
    scale = absent(x.dtype) if factors is None else contiguous(factors).reshape(shape)
    _kernels.cumulate(x.reshape(shape), scale, product, reverse, y.reshape(shape))
    return y


@differentiable
def cumsum(x: Array, *, axis: int = 0) -> tuple[Array, Backward]:
    """y[i] = x[0] + ... + x[i] along `axis`; any shape with that axis. Booleans are counted."""
    if is_of_kernels(x):
        return _cumulated(x, axis), lambda dy, need: (_cumulated(dy, axis, reverse=True),)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (np.flip(np.cumsum(np.flip(dy, axis), axis, dtype=dy.dtype), axis),)

    return np.cumsum(x, axis, dtype=np.int64 if x.dtype.kind == "b" else x.dtype), backward


@differentiable
def cumprod(x: Array, *, axis: int = 0) -> tuple[Array, Backward]:
    """y[i] = x[0] * ... * x[i] along `axis`; any shape with that axis. The gradient is also exact if elements are zero."""
    y = _cumulated(x, axis, product=True) if is_of_kernels(x) else np.cumprod(x, axis, dtype=x.dtype)
    return y, lambda dy, need: (_of_products(x, y, dy, axis),)


@differentiable
def prod(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """The product of x over `axis`, see `sum` for keepdims; any shape. The gradient is also exact if elements are zero."""
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(normalize_axis(a, x.ndim) for a in axes)
    y = np.asarray(np.prod(x, axes, dtype=x.dtype, keepdims=keepdims))

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        last = tuple(range(x.ndim - len(axes), x.ndim))
        moved = np.moveaxis(x, axes, last)
        rows = contiguous(moved).reshape(*moved.shape[: x.ndim - len(axes)], -1)
        d = np.zeros_like(rows)
        if rows.shape[-1]:
            d[..., -1] = dy.reshape(rows.shape[:-1])
        so_far = _cumulated(rows, -1, product=True) if is_of_kernels(rows) else np.cumprod(rows, -1, dtype=x.dtype)
        dx = _of_products(rows, so_far, d, -1)
        return (np.moveaxis(dx.reshape(moved.shape), last, axes),)

    return y, backward


def _of_products(x: Array, y: Array, dy: Array, axis: int) -> Array:
    """dx[i] = y[i-1] * r[i], where r[i] = dy[i] + x[i+1] * r[i+1].

    r[i] is the sum over j >= i of dy[j] * x[i+1] * ... * x[j], so no division by x[i] is needed.
    """
    if is_of_kernels(x):
        r = np.moveaxis(_cumulated(dy, axis, reverse=True, factors=x), axis, 0)
        y = np.moveaxis(y, axis, 0)
    else:
        x, y, dy = (np.moveaxis(a, axis, 0) for a in (x, y, dy))
        r = dy.copy()
        for i in range(len(r) - 2, -1, -1):
            r[i] += x[i + 1] * r[i + 1]
    r[1:] *= y[:-1]
    return np.moveaxis(r, 0, axis)
