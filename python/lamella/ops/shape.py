"""Ops that only move or copy elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count as count_of
from lamella.core.shapes import normalize_axis
from lamella.core.types import Array
from lamella.ops.arrays import concatenated, contiguous, empty_like, reshaped, suits_kernels
from lamella.ops.broadcast import large_sum
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def reshape(x: Array, *, shape: Sequence[int]) -> tuple[Array, Backward]:
    """x with another shape, in C order; one entry may be -1.

    Raises:
        ValueError: The numbers of elements differ.
    """
    before = x.shape
    return reshaped(x, shape), lambda dy, need: (reshaped(dy, before),)


@differentiable
def packed(x: Array) -> tuple[Array, Backward]:
    """x, of any shape, copied if it is not contiguous: the multiply kernels read their second factor in C order."""
    return contiguous(x), lambda dy, need: (dy,)


@differentiable
def transpose(x: Array, *, axes: Sequence[int] | None = None) -> tuple[Array, Backward]:
    """A view whose axis i is axis axes[i] of x; None reverses the axes. The next kernel copies it.

    Raises:
        ValueError: There is not one entry for each axis of x.
    """
    if axes is not None and len(axes) != x.ndim:
        raise ValueError(f"transpose: expected {x.ndim} axes for shape {x.shape}, got {tuple(axes)}")
    inverse = None if axes is None else np.argsort([axis % x.ndim for axis in axes])
    return x.transpose(axes), lambda dy, need: (dy.transpose(inverse),)


@differentiable
def concatenate(*xs: Array, axis: int = -1) -> tuple[Array, Backward]:
    """The arrays xs one after another along `axis`.

    Raises:
        ValueError: Their other axes differ, one of them has no such axis, or there are none.
    """
    y = concatenated(xs, axis)  # before x.shape[axis], because its errors name the problem
    ends = np.cumsum([x.shape[axis] for x in xs])[:-1]
    return y, lambda dy, need: tuple(np.split(dy, ends, axis=axis))


@differentiable
def getitem(x: Array, *, key: Any) -> tuple[Array, Backward]:
    """x[key], with any key that NumPy accepts: integers, slices, arrays, or a tuple of these."""
    y = np.asarray(x[key])
    shape, parts = x.shape, key if isinstance(key, tuple) else (key,)
    once = all(part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer)) for part in parts)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = np.zeros(shape, dy.dtype)
        if once:
            dx[key] = dy
        else:
            np.add.at(dx, key, dy)  # an element may be taken several times
        return (dx,)

    return y, backward


def _padded(x: Array, widths: Sequence[tuple[int, int]], shape: Sequence[int]) -> Array | None:
    """`pad` by a kernel, of large arrays along one axis or two neighbouring ones; None for others."""
    axes = [axis for axis, width in enumerate(widths) if tuple(width) != (0, 0)]
    if count_of(shape) < _LARGE or not suits_kernels(x) or not axes or len(axes) > 2 or axes[-1] - axes[0] != len(axes) - 1:
        return None
    first, last = axes[0], axes[-1]
    outer, inner = count_of(shape[:first]), count_of(shape[last + 1 :])
    y = empty_like(x, tuple(shape))
    if len(axes) == 1:
        given, padded, place = (outer, x.shape[first], 1, inner), (outer, shape[first], 1, inner), (widths[first][0], 0)
    else:
        given, padded = ((outer, s[first], s[last], inner) for s in (x.shape, shape))
        place = widths[first][0], widths[last][0]
    _kernels.pad(x.reshape(given), *place, y.reshape(padded))
    return y


@differentiable
def pad(x: Array, *, widths: Sequence[tuple[int, int]]) -> tuple[Array, Backward]:
    """x with zeros before and after. widths: a pair of numbers of zeros, (before, after), for each axis."""
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape))
    shape = [before + n + after for (before, after), n in zip(widths, x.shape, strict=True)]
    y = _padded(x, widths, shape)
    if y is None:
        y = np.zeros(shape, x.dtype)
        y[inner] = x
    return y, lambda dy, need: (dy[inner],)


# Elements of an array, and of its pieces that are contiguous, from which on a kernel copies on two threads faster than NumPy.
_LARGE, _PIECE = 1 << 16, 16


def _repeated(x: Array, shape: Sequence[int], axis: int) -> Array:
    """np.repeat along `axis`; shape: x's shape with the count after this axis."""
    size = count_of(shape)
    if size < _LARGE or count_of(shape[axis + 2 :]) < _PIECE:
        return np.repeat(x, shape[axis + 1], axis)
    return contiguous(np.broadcast_to(np.expand_dims(x, axis + 1), shape)).reshape(*shape[:axis], -1, *shape[axis + 2 :])


def _sum(x: Array, axes: Sequence[int]) -> Array:
    total = large_sum(x, axes)
    return np.asarray(x.sum(axis=tuple(axes))) if total is None else total


@differentiable
def repeat(x: Array, *, count: int, axis: int) -> tuple[Array, Backward]:
    """x with each element repeated `count` times along `axis`."""
    axis = normalize_axis(axis, x.ndim)
    shape = (*x.shape[: axis + 1], count, *x.shape[axis + 1 :])
    return _repeated(x, shape, axis), lambda dy, need: (_sum(dy.reshape(shape), (axis + 1,)),)


@differentiable
def tile(x: Array, *, counts: Sequence[int]) -> tuple[Array, Backward]:
    """x repeated as a whole, counts[i] times along axis i.

    Raises:
        ValueError: There is not one count for each axis.
    """
    if len(counts) != x.ndim:
        raise ValueError(f"tile: expected {x.ndim} counts for shape {x.shape}, got {tuple(counts)}")
    folded = tuple(n for pair in zip(counts, x.shape) for n in pair)
    return np.tile(x, counts), lambda dy, need: (_sum(dy.reshape(folded), range(0, 2 * x.ndim, 2)),)


@differentiable
def flip(x: Array, *, axes: int | Sequence[int]) -> tuple[Array, Backward]:
    """x in reverse order along `axes`."""
    reversed_axes = axes if isinstance(axes, int) else tuple(axes)
    return np.flip(x, reversed_axes), lambda dy, need: (np.flip(dy, reversed_axes),)
