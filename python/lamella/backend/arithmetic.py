"""K: arithmetic, reductions, comparisons and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella import ops
from lamella.core.shapes import count
from lamella.ops import abs, concatenate as _concatenate, exp, log, maximum, minimum, negative, sqrt, square
from lamella.ops.arrays import contiguous
from lamella.ops.tape import Backward, differentiable, value_of

__all__ = [
    "abs", "all", "any", "argmax", "argmin", "batch_flatten", "clip", "concatenate", "dot", "equal", "exp", "expand_dims",
    "flatten", "greater", "greater_equal", "less", "less_equal", "log", "logsumexp", "max", "maximum", "mean", "min",
    "minimum", "negative", "not_equal", "permute_dimensions", "pow", "reshape", "round", "sign", "sqrt", "square",
    "squeeze", "stack", "std", "sum", "switch", "transpose", "var",
]  # fmt: skip

Value = Any  # array, Variable or a tape's tensor
Axes = int | Sequence[int] | None
Array = NDArray[Any]


def sum(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return ops.sum(x, axis=axis, keepdims=keepdims)


def mean(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Booleans count as 0 and 1, so that K.mean(K.equal(a, b)) is a share."""
    return ops.mean(_floats(x), axis=axis, keepdims=keepdims)


def max(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return ops.min(x, axis=axis, keepdims=keepdims)


def var(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Mean squared distance to the mean."""
    return mean(square(ops.subtract(x, mean(x, axis, True))), axis, keepdims)


def std(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    return sqrt(var(x, axis, keepdims))


def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """log(sum(exp(x))), shifted by the largest x so that nothing overflows."""
    top = np.max(_array(x), axis=_axes(axis), keepdims=True)
    total = log(sum(exp(ops.subtract(x, top)), axis, keepdims))
    return ops.add(total, top if keepdims else top.reshape(total.shape))


def pow(x: Value, a: Value) -> Value:
    return ops.power(x, a)


def clip(x: Value, min_value: float | None, max_value: float | None) -> Value:
    """None is no bound; a max_value below min_value counts as min_value."""
    low = -np.inf if min_value is None else min_value
    high = np.inf if max_value is None else max_value
    return ops.clip(x, low=low, high=low if high < low else high)


def dot(x: Value, y: Value) -> Value:
    """x [..., K] times y [K, M] -> [..., M]; y [..., K, M]: over its last axis but one, as NumPy's dot."""
    if len(y.shape) == 2:
        return ops.dense(x, _packed(y), None, activation="linear")
    *outer, k, m = y.shape
    axes = (len(outer), *range(len(outer)), len(outer) + 1)
    columns = ops.reshape(ops.transpose(y, axes=axes), shape=(k, count(outer) * m))
    return ops.reshape(ops.dense(x, columns, None, activation="linear"), shape=(*x.shape[:-1], *outer, m))


@differentiable
def _packed(x: Array) -> tuple[Array, Backward]:
    """x, copied if it is a transposed view: the multiply kernels read their second factor in C order."""
    return contiguous(x), lambda dy, need: (dy,)


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _array(x: Value) -> Array:
    return np.asarray(value_of(x))


def _floats(x: Value) -> Value:
    array = _array(x)
    return x if array.dtype.kind == "f" else array.astype("float32")


# Without gradients: they return plain arrays.


def round(x: Value) -> Array:
    """Halves go to the even neighbour."""
    return np.asarray(np.round(_array(x)))


def sign(x: Value) -> Array:
    return np.asarray(np.sign(_array(x)))


def argmax(x: Value, axis: int = -1) -> Array:
    return np.asarray(np.argmax(_array(x), axis=axis))


def argmin(x: Value, axis: int = -1) -> Array:
    return np.asarray(np.argmin(_array(x), axis=axis))


def any(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    return np.asarray(np.any(_array(x), axis=_axes(axis), keepdims=keepdims))


def all(x: Value, axis: Axes = None, keepdims: bool = False) -> Array:
    return np.asarray(np.all(_array(x), axis=_axes(axis), keepdims=keepdims))


def equal(x: Value, y: Value) -> Array:
    return np.asarray(np.equal(_array(x), _array(y)))


def not_equal(x: Value, y: Value) -> Array:
    return np.asarray(np.not_equal(_array(x), _array(y)))


def greater(x: Value, y: Value) -> Array:
    return np.asarray(np.greater(_array(x), _array(y)))


def greater_equal(x: Value, y: Value) -> Array:
    return np.asarray(np.greater_equal(_array(x), _array(y)))


def less(x: Value, y: Value) -> Array:
    return np.asarray(np.less(_array(x), _array(y)))


def less_equal(x: Value, y: Value) -> Array:
    return np.asarray(np.less_equal(_array(x), _array(y)))


def switch(condition: Value, then_expression: Value, else_expression: Value) -> Value:
    """A scalar condition chooses one of the two, which may be functions; an array chooses element by element."""
    chosen = np.asarray(_array(condition), bool)
    if chosen.ndim == 0:
        value = then_expression if chosen else else_expression
        return value() if callable(value) else value
    then, other = (e() if callable(e) else e for e in (then_expression, else_expression))
    mask = chosen.reshape(chosen.shape + (1,) * (len(then.shape) - chosen.ndim))
    kept = mask.astype(then.dtype)
    return ops.add(ops.multiply(then, kept), ops.multiply(other, 1 - kept))


# Shapes.


def reshape(x: Value, shape: Sequence[int]) -> Value:
    return ops.reshape(x, shape=tuple(shape))


def flatten(x: Value) -> Value:
    """Everything in one axis."""
    return ops.reshape(x, shape=(-1,))


def batch_flatten(x: Value) -> Value:
    """[N, ...] -> [N, product]."""
    return ops.reshape(x, shape=(x.shape[0], count(x.shape[1:])))


def expand_dims(x: Value, axis: int = -1) -> Value:
    shape = list(x.shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return ops.reshape(x, shape=shape)


def squeeze(x: Value, axis: int) -> Value:
    """Without `axis`, which has size 1. Raises ValueError if it has not."""
    shape = list(x.shape)
    if shape.pop(axis) != 1:
        raise ValueError(f"K.squeeze: axis {axis} of {tuple(x.shape)} has not size 1")
    return ops.reshape(x, shape=shape)


def transpose(x: Value) -> Value:
    return ops.transpose(x)


def permute_dimensions(x: Value, pattern: Sequence[int]) -> Value:
    return ops.transpose(x, axes=tuple(pattern))


def concatenate(tensors: Sequence[Value], axis: int = -1) -> Value:
    return _concatenate(*tensors, axis=axis)


def stack(x: Sequence[Value], axis: int = 0) -> Value:
    return _concatenate(*[expand_dims(item, axis) for item in x], axis=axis)
