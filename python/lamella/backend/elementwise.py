"""K: elementwise arithmetic and comparisons. Arguments are broadcast as in NumPy."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from lamella import ops
from lamella.core.types import Array, Value
from lamella.graph.checked import as_tensor
from lamella.graph.connect import in_graphs
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import array_of

__all__ = [
    "abs", "clip", "cos", "equal", "exp", "greater", "greater_equal", "less", "less_equal", "log", "maximum", "minimum",
    "negative", "not_equal", "pow", "round", "sign", "sin", "sqrt", "square", "switch",
]  # fmt: skip


_broadcasting = functools.partial(in_graphs, broadcasts=True)
_NUMBERS = (int, float, np.number, type(None))


abs, negative = in_graphs(ops.abs), in_graphs(ops.negative)
square, sqrt = in_graphs(ops.square), in_graphs(ops.sqrt)
exp, log = in_graphs(ops.exp, "exp"), in_graphs(ops.log)
sign = in_graphs(ops.sign)
sin, cos = in_graphs(ops.sin), in_graphs(ops.cos)


@_broadcasting
def maximum(x: Value, y: Value) -> Value:
    """The larger of x and y, elementwise. Where they are equal, x gets the gradient, as in TensorFlow."""
    return ops.maximum(x, y)


@_broadcasting
def minimum(x: Value, y: Value) -> Value:
    """The smaller of x and y, elementwise. Where they are equal, x gets the gradient, as in TensorFlow."""
    return ops.minimum(x, y)


@_broadcasting
def pow(x: Value, a: Value) -> Value:
    """x ** a, elementwise."""
    return ops.power(x, np.asarray(a, x.dtype) if isinstance(a, int) else a)


@in_graphs
def clip(x: Value, min_value: float | Value | None, max_value: float | Value | None) -> Value:
    """max(min(x, max_value), min_value). None is no bound.

    Bounds may be tensors that can be broadcast to x. They get the gradient where the result is the bound.
    """
    if isinstance(min_value, _NUMBERS) and isinstance(max_value, _NUMBERS):
        low = -np.inf if min_value is None else min_value
        high = np.inf if max_value is None else max_value
        return ops.clip(x, low=low, high=low if high < low else high)
    y, dtype = x, array_of(x).dtype
    if max_value is not None:
        bound = as_tensor(max_value, "max_value", dtype)
        y = ops.where(bound, y, condition=array_of(y) > array_of(bound))
    if min_value is not None:
        bound = as_tensor(min_value, "min_value", dtype)
        y = ops.where(bound, y, condition=array_of(y) < array_of(bound))
    return y


def _switch(condition: Value, then_expression: Value | None, else_expression: Value | None) -> Value:
    """then_expression where the condition holds, else else_expression.

    Args:
        condition: A scalar, which selects one expression; or an array, whose axes are the first axes of the expressions.
        then_expression: A value, or a function without arguments. With a symbolic condition both functions are called, once.
        else_expression: Likewise.

    Raises:
        ValueError: The condition has more axes than the expressions.
    """
    chosen = np.asarray(array_of(condition), bool)
    if chosen.ndim == 0:
        value = then_expression if chosen else else_expression
        return value() if callable(value) else value
    then, other = (
        as_tensor(e() if callable(e) else e, name)
        for e, name in ((then_expression, "then_expression"), (else_expression, "else_expression"))
    )
    ndim = len(np.shape(array_of(then)))
    if chosen.ndim > ndim:
        raise ValueError(f"Rank of `condition` should be less than or equal to rank of expressions. Got {chosen.ndim} > {ndim}")
    return ops.where(then, other, condition=chosen.reshape(chosen.shape + (1,) * (ndim - chosen.ndim)))


_switched = in_graphs(_switch, "switch")


@functools.wraps(_switched)
def switch(condition: Value, then_expression: Value | None, else_expression: Value | None) -> Value:
    if isinstance(condition, Symbolic):
        then_expression, else_expression = (e() if callable(e) else e for e in (then_expression, else_expression))
    return _switched(condition, then_expression, else_expression)


# The following functions have no gradients: they return plain arrays, which are constants for a tape. If the loss depends on a
# weight only through them, training raises the error of Keras: "An operation has `None` for gradient".


@in_graphs
def round(x: Value) -> Array:
    """x rounded to the nearest whole number, and halves to the even one, elementwise."""
    return np.asarray(np.round(array_of(x)))


def _comparison(name: str, compare: Callable[[Array, Array], Array]) -> Callable[[Value, Value], Array]:
    def function(x: Value, y: Value) -> Array:
        return np.asarray(compare(array_of(x), array_of(y)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"x {name.replace('_', ' ')} y, elementwise: an array of booleans."
    return _broadcasting(function)


equal = _comparison("equal", np.equal)
not_equal = _comparison("not_equal", np.not_equal)
greater = _comparison("greater", np.greater)
greater_equal = _comparison("greater_equal", np.greater_equal)
less = _comparison("less", np.less)
less_equal = _comparison("less_equal", np.less_equal)
