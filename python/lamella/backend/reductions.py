"""K: reductions over axes, and cumulative sums and products. `axis` is an axis, a list of axes, or None for all."""

from __future__ import annotations

import operator

import numpy as np

from lamella import ops
from lamella.backend.elementwise import sqrt, square
from lamella.core.config import floatx
from lamella.core.types import Array, Axes, Value
from lamella.graph.connect import in_graphs
from lamella.ops.tape import array_of

__all__ = [
    "all", "any", "argmax", "argmin", "cumprod", "cumsum", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "var",
]  # fmt: skip


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    """The axes as integers of Python; they may be NumPy's."""
    if axis is None or isinstance(axis, int):
        return axis
    # Not by hasattr(axis, "__index__"), which arrays of several axes have, too.
    return operator.index(axis) if np.ndim(axis) == 0 else tuple(map(operator.index, axis))  # type: ignore[arg-type]


def _floats(x: Value) -> Value:
    """Integers and booleans converted to floatx; floats do not change."""
    array = array_of(x)
    return x if array.dtype.kind == "f" else array.astype(floatx())


@in_graphs
def sum(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The sum of x over axes; booleans are counted.

    Args:
        x: Any shape. Floats keep their dtype.
        axis: An axis, a list of axes, or None for all.
        keepdims: Whether these axes stay, with size 1.
    """
    return ops.sum(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def prod(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The product of x over `axis`, see `sum` for keepdims."""
    return ops.prod(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def mean(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The mean of x over `axis`, see `sum` for keepdims. Integers become floatx.

    Booleans are 0 and 1, so that K.mean(K.equal(a, b)) is the fraction of equal elements.
    """
    return ops.mean(_floats(x), axis=_axes(axis), keepdims=keepdims)


@in_graphs
def max(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The maximum of x over `axis`, see `sum` for keepdims. Equal maxima share the gradient."""
    return ops.max(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def min(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The minimum of x over `axis`, see `sum` for keepdims. Equal minima share the gradient."""
    return ops.min(x, axis=_axes(axis), keepdims=keepdims)


@in_graphs
def var(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """The mean squared difference of x from its mean over `axis`, see `mean`."""
    return _variance(x, axis, keepdims)


@in_graphs
def std(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """sqrt(var(x)) over `axis`, see `mean`."""
    return sqrt(_variance(x, axis, keepdims))


def _variance(x: Value, axis: Axes, keepdims: bool) -> Value:
    """The variance. It uses only ops, so that errors do not name another function of K."""
    axes = _axes(axis)
    x = _floats(x)
    return ops.mean(square(ops.subtract(x, ops.mean(x, axis=axes, keepdims=True))), axis=axes, keepdims=keepdims)


@in_graphs
def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """log(sum(exp(x))) over `axis`, without overflow, see `mean`."""
    return ops.logsumexp(_floats(x), axis=_axes(axis), keepdims=keepdims)


@in_graphs
def cumsum(x: Value, axis: int = 0) -> Value:
    """The cumulative sum of x along `axis`, in x's shape; booleans are counted."""
    return ops.cumsum(x, axis=axis)


@in_graphs
def cumprod(x: Value, axis: int = 0) -> Value:
    """The cumulative product of x along `axis`, in x's shape."""
    return ops.cumprod(x, axis=axis)


# The following functions have no gradients: they return plain arrays, as K.round does.


@in_graphs
def argmax(x: Value, axis: int = -1) -> Array:
    """The index, int64, of the maximum of x along `axis`; the first of equal ones."""
    return np.asarray(np.argmax(array_of(x), axis=axis))


@in_graphs
def argmin(x: Value, axis: int = -1) -> Array:
    """The index, int64, of the minimum of x along `axis`; the first of equal ones."""
    return np.asarray(np.argmin(array_of(x), axis=axis))


@in_graphs
def any(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    """Whether any element of x is true, over `axis`, see `sum` for keepdims. Booleans."""
    return np.asarray(np.any(array_of(x), axis=_axes(axis), keepdims=keepdims))


@in_graphs
def all(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    """Whether all elements of x are true, over `axis`, see `sum` for keepdims. Booleans."""
    return np.asarray(np.all(array_of(x), axis=_axes(axis), keepdims=keepdims))
