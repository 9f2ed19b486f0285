"""Reductions: of all elements, and of large arrays along neighbouring axes, by our kernels; others by NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array, Axes
from lamella.ops.arrays import contiguous, empty_like, extremum_over_places, suits_kernels
from lamella.ops.broadcast import along_last_axes, elementwise, large_sum
from lamella.ops.tape import Backward, Gradients, differentiable


def _total(x: Array, kernel: Callable[[Array, Array], None]) -> Array:
    y, x = empty_like(x, ()), contiguous(x)
    kernel(x if suits_kernels(x) else x.reshape(-1), y)
    return y


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _spread(y: Array, shape: tuple[int, ...], axis: Axes, keepdims: bool) -> Array:
    """The reduced y, broadcast to the shape before the reduction over `axis`; a view unless y is a scalar."""
    if y.ndim == 0:
        # The mean of a loss needs this in every step, and a filled array takes less time than a view of y.
        filled = np.empty(shape, y.dtype)
        filled.fill(y)
        return filled
    if axis is not None and not keepdims:
        y = np.expand_dims(y, axis if isinstance(axis, int) else tuple(axis))
    wider = along_last_axes(shape, y) if y.ndim > 3 else None  # the next kernel then finds contiguous pieces
    return np.broadcast_to(y if wider is None else wider, shape)


def _counted(axis: Axes, ndim: int) -> list[int]:
    """The axes, counted from 0, in order; none if one of them does not exist."""
    axes = range(ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted(a % ndim for a in axes) if all(-ndim <= a < ndim for a in axes) else []


def _large_sum(x: Array, axis: Axes, keepdims: bool) -> Array | None:
    if axis is None:
        return None
    total = large_sum(x, _counted(axis, x.ndim))
    return None if total is None else total.reshape(_without(x.shape, axis, keepdims))


@differentiable
def sum(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """The sum of x over `axis`, or over all elements; any shape. The dtype does not change, except that booleans are counted.

    With keepdims the axes stay, with size 1. This holds for all reductions.
    """
    if axis is None and not keepdims and x.dtype.char in "fd" and x.dtype.isnative:
        y = _total(x, _kernels.sum_all)
    else:
        kind = np.dtype(np.int64) if x.dtype.kind == "b" else x.dtype.newbyteorder("=")  # the only one that NumPy takes
        total = _large_sum(x, axis, keepdims)
        y = np.asarray(x.sum(axis=_axes(axis), keepdims=keepdims, dtype=kind)) if total is None else total
    shape = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (_spread(dy, shape, axis, keepdims),)

    return y, backward


@differentiable
def mean(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """The mean of x over `axis`, see `sum` for keepdims; floats of any shape. NaN if there are no elements."""
    if axis is None and not keepdims and x.dtype.char in "fd" and x.dtype.isnative:
        y = _total(x, _kernels.sum_all)
        y /= x.size or np.nan
    else:
        total = _large_sum(x, axis, keepdims)
        y = np.asarray(x.mean(axis=_axes(axis), keepdims=keepdims)) if total is None else total / (x.size // total.size)
    shape, count = x.shape, x.size // (y.size or 1)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (_spread(dy / (count or 1), shape, axis, keepdims),)

    return y, backward


# Elements of which a kernel finds the extrema faster than NumPy.
_MANY = 1 << 10


def _places(x: Array, axis: Axes) -> Array | None:
    """x as [N, S, C], if `axis` is one axis or several neighbouring ones, and x has many elements; else None."""
    if x.size < _MANY or not suits_kernels(x):
        return None
    axes = _counted(axis, x.ndim)
    if not axes or axes != list(range(axes[0], axes[0] + len(axes))):
        return None
    return x.reshape(count(x.shape[: axes[0]]), -1, count(x.shape[axes[-1] + 1 :]))


def _extremum(name: str, best: Callable[..., Array], worst: float) -> Callable[..., object]:
    def op(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
        places = _places(x, axis)
        if places is not None:
            extrema, to_places = extremum_over_places(places, name == "min")
            reduced = extrema.reshape(_without(x.shape, axis, keepdims))
            return reduced, lambda dy, need: (to_places(dy.reshape(extrema.shape)).reshape(x.shape),)
        # Of nothing it is -inf or inf, as in TensorFlow; NumPy has no such value for integers, and raises.
        empty = {"initial": worst} if not x.size and x.dtype.kind == "f" else {}
        y = np.asarray(best(x, axis=_axes(axis), keepdims=keepdims, **empty))

        def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
            winners = x == _spread(y, x.shape, axis, keepdims)
            count = winners.sum(axis=_axes(axis), keepdims=True)
            return (np.where(winners, _spread(dy, x.shape, axis, keepdims) / count, 0).astype(x.dtype, copy=False),)

        return y, backward

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{name} of x over `axis`, see `sum` for keepdims. Equal ones share the gradient, as in TensorFlow."
    return differentiable(op)


max = _extremum("max", np.max, -np.inf)
min = _extremum("min", np.min, np.inf)


@differentiable
def logsumexp(x: Array, *, axis: Axes = None, keepdims: bool = False) -> tuple[Array, Backward]:
    """log(sum(exp(x))) over `axis`, see `sum` for keepdims. The maximum is subtracted first, so that nothing overflows."""
    places = _places(x, axis)
    top = np.max(x, axis=_axes(axis), keepdims=True) if places is None else extremum_over_places(places)[0]
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype).reshape(_without(x.shape, axis, True))
    shares = elementwise(np.subtract, x, top)
    if suits_kernels(shares):
        _kernels.exp_forward(shares, shares)
    else:
        shares = np.exp(shares)
    summed = _large_sum(shares, axis, True)
    total = shares.sum(axis=_axes(axis), keepdims=True) if summed is None else summed
    with np.errstate(divide="ignore"):  # if all x are -inf, the result is log(0) = -inf
        y = np.log(total) + top

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (elementwise(np.multiply, shares, dy.reshape(total.shape) / np.where(total > 0, total, 1)),)

    return np.asarray(y if keepdims else y.reshape(_without(y.shape, axis))), backward


def _without(shape: tuple[int, ...], axis: Axes, keepdims: bool = False) -> tuple[int, ...]:
    """A shape without the axes over which was reduced; with keepdims their sizes are 1."""
    gone = range(len(shape)) if axis is None else [axis] if isinstance(axis, int) else axis
    reduced = {a % len(shape) for a in gone}
    return tuple(1 if i in reduced else n for i, n in enumerate(shape) if keepdims or i not in reduced)


@differentiable
def sum_squares(x: Array) -> tuple[Array, Backward]:
    """sum(x * x), a scalar; x: any shape."""
    return _total(x, _kernels.sum_squares), lambda dy, need: (x * (2 * dy),)


@differentiable
def sum_absolute(x: Array) -> tuple[Array, Backward]:
    """sum(|x|), a scalar; x: any shape. The gradient at 0 is 0."""
    return _total(x, _kernels.sum_absolute), lambda dy, need: (np.sign(x) * dy,)
