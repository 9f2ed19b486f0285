"""K: reductions over axes, and running sums and products. axis: an axis, a list of them, or None for all."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from lamella import ops
from lamella.backend.elementwise import array_of, sqrt, square
from lamella.core.config import floatx
from lamella.core.types import Array, Value
from lamella.graph.connect import in_graphs

__all__ = [
    "all", "any", "argmax", "argmin", "cumprod", "cumsum", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "var",
]  # fmt: skip

Axes = int | Sequence[int] | None


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    """Python's integers, also of NumPy's."""
    return axis if axis is None else operator.index(axis) if hasattr(axis, "__index__") else tuple(map(operator.index, axis))


def _floats(x: Value) -> Value:
    """Integers and booleans in floatx, floats as they are."""
    array = array_of(x)
    return x if array.dtype.kind == "f" else array.astype(floatx())


@in_graphs
def sum(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Of booleans the True are counted."""
    return ops.sum(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def prod(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return ops.prod(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def mean(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Booleans count as 0 and 1, so that K.mean(K.equal(a, b)) is a share."""
    return ops.mean(_floats(x), axis=_axes(axis), keepdims=keepdims)


@in_graphs
def max(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Equals share the gradient."""
    return ops.max(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def min(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Equals share the gradient."""
    return ops.min(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def var(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Mean squared distance to the mean."""
    return _variance(x, axis, keepdims)


@in_graphs
def std(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return sqrt(_variance(x, axis, keepdims))


def _variance(x: Value, axis: Axes, keepdims: bool) -> Value:
    """By ops alone, whose errors name no other function of K."""
    axes = _axes(axis)
    x = _floats(x)
    return ops.mean(square(ops.subtract(x, ops.mean(x, axis=axes, keepdims=True))), axis=axes, keepdims=keepdims)


@in_graphs
def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """log(sum(exp(x))), without overflow."""
    return ops.logsumexp(_floats(x), axis=_axes(axis), keepdims=keepdims)


@in_graphs
def cumsum(x: Value, axis: int = 0) -> Value:
    return ops.cumsum(x, axis=axis)


@in_graphs
def cumprod(x: Value, axis: int = 0) -> Value:
    return ops.cumprod(x, axis=axis)


# Without gradients: these return plain arrays, as K.round does.


@in_graphs
def argmax(x: Value, axis: int = -1) -> Array:
    """The first of equals."""
    return np.asarray(np.argmax(array_of(x), axis=axis))


@in_graphs
def argmin(x: Value, axis: int = -1) -> Array:
    """The first of equals."""
    return np.asarray(np.argmin(array_of(x), axis=axis))


@in_graphs
def any(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    return np.asarray(np.any(array_of(x), axis=_axes(axis), keepdims=keepdims))


@in_graphs
def all(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    return np.asarray(np.all(array_of(x), axis=_axes(axis), keepdims=keepdims))
