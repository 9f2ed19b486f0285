"""K: functions that make, read and set values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lamella import ops
from lamella.backend.graph import Function
from lamella.core.checks import as_array
from lamella.core.config import floatx
from lamella.core.graphs import Assignment
from lamella.core.scopes import variable_name
from lamella.core.shapes import Shape
from lamella.core.shapes import count as _count
from lamella.core.types import Array, Value
from lamella.core.updates import computing, current, latest, note
from lamella.core.variable import Variable
from lamella.graph.checked import checked
from lamella.graph.connect import comes_from_layers, in_graphs
from lamella.graph.input import InputLayer
from lamella.graph.made_in_calls import kept
from lamella.graph.symbolic import Symbolic, node_of
from lamella.graph.trial import Specs
from lamella.ops.tape import Tensor, value_of

__all__ = [
    "arange", "batch_get_value", "batch_set_value", "cast", "cast_to_floatx", "constant", "count_params", "dtype", "eval",
    "eye", "get_value", "get_variable_shape", "identity", "int_shape", "is_keras_tensor", "is_placeholder",
    "is_tensor", "moving_average_update", "ndim", "ones", "ones_like", "print_tensor", "set_value", "shape", "update",
    "update_add", "update_sub", "variable", "zeros", "zeros_like",
]  # fmt: skip


@checked
def variable(
    value: ArrayLike, dtype: str | None = None, name: str | None = None, constraint: Callable[[Array], Array] | None = None
) -> Variable:
    """A Variable with a copy of `value`.

    Args:
        value: Numbers of any shape. A sparse matrix of SciPy becomes dense.
        dtype: The dtype; None is floatx.
        name: Name of the Variable; None for a default name.
        constraint: A function that an optimizer applies to the value after each step.
    """
    value = value.toarray() if hasattr(value, "toarray") else value
    array = as_array(value, floatx() if dtype is None else dtype, f"K.variable {name!r}" if name else "K.variable")
    kind = "Variable", array.shape, array.dtype.name
    return kept(lambda: Variable(array, variable_name(name), constraint=constraint), kind)


@checked
def constant(value: ArrayLike, dtype: str | None = None, shape: Sequence[int] | None = None, name: str | None = None) -> Array:
    """A new array with `value`, broadcast to `shape` if there is one.

    Args:
        value: Numbers of any shape. A sparse matrix of SciPy becomes dense.
        dtype: The dtype; None is floatx.
        shape: The sizes; None is the shape of value.
        name: Of the constant, for errors.
    """
    value = value.toarray() if hasattr(value, "toarray") else value
    array = as_array(value, floatx() if dtype is None else dtype, f"K.constant '{name or ''}'")
    return array.copy() if shape is None else np.array(np.broadcast_to(array, shape))


@checked
def eval(x: Value) -> Any:
    """A copy of the value of x; for a scalar a number. A symbolic tensor without an Input or a placeholder is computed now. An
    update that K.update has returned is made now; its value is the new one.

    Raises:
        TypeError: A symbolic tensor depends on inputs; use K.function.
    """
    if isinstance(x, Assignment):
        Function([], [], updates=[x])([])
        return eval(x.variable)
    return np.array(value_of(x))[()]


@checked
def get_value(x: Value) -> Any:
    """A copy of the value of x; for a scalar a number."""
    return eval(x)


@checked
def batch_get_value(ops: Sequence[Value]) -> list[Any]:
    """The values of several tensors of any shapes, `ops`, as a list. The argument has its name in Keras. Updates that K.update
    has returned are made now, after the new values of all of them were computed.
    """
    made = [x for x in ops if isinstance(x, Assignment)]
    if made:
        Function([], [], updates=made)([])
    return [get_value(x.variable if isinstance(x, Assignment) else x) for x in ops]


@checked
def set_value(x: Variable, value: ArrayLike) -> None:
    """Set the value of a Variable.

    Raises:
        TypeError: x is not a Variable.
        ValueError: The shapes differ.
    """
    if not isinstance(x, Variable):
        raise TypeError(f"K.set_value: expected a Variable, got {type(x).__name__}")
    x.assign(as_array(value, x.dtype, f"K.set_value on '{x.name}'"))


@checked
def batch_set_value(tuples: Sequence[tuple[Variable, ArrayLike]]) -> None:
    """Set the values of several Variables, given as tuples (Variable, value of its shape)."""
    for x, value in tuples:
        set_value(x, value)


@checked
def update(x: Variable, new_x: Value) -> Any:
    """Set x to new_x: at once if new_x is a number or an array, or in the call() of a layer at the end of the training step.

    In a layer's call() it works with or without add_update, which Keras 2.2.5 needs, and once in each step. It has an effect only
    in training, not in predict, evaluate, K.function or a frozen layer. A stateful layer is also updated in these, except in
    K.function.

    Args:
        x: A Variable.
        new_x: Its new value.

    Returns:
        x, if it already has the new value; otherwise the new value as an array, which is a constant for gradients. For a symbolic
        new_x, such as `x * 2` outside of a run, and there also for a Variable, an update for the updates of K.function, which
        makes it in each call, as in Keras; K.get_value makes it, too. Alone it changes nothing.

    Raises:
        TypeError: x is not a Variable.
        ValueError: The shapes differ.
    """
    _check_variable("update", x)
    if _computed_later(new_x):
        return Assignment(x, new_x)
    new = as_array(eval(new_x), x.dtype, f"K.update of '{x.name}'")
    note(x, new)
    return x if current.updates is None else new


@checked
def update_add(x: Variable, increment: Value) -> Any:
    """Set x to x + increment, see `update`."""
    _check_variable("update_add", x)
    return update(x, x + increment if _computed_later(increment) else latest(x) + eval(increment))


@checked
def update_sub(x: Variable, decrement: Value) -> Any:
    """Set x to x - decrement, see `update`."""
    _check_variable("update_sub", x)
    return update(x, x - decrement if _computed_later(decrement) else latest(x) - eval(decrement))


@checked
def moving_average_update(x: Variable, value: Value, momentum: float) -> Any:
    """Set x to momentum * x + (1 - momentum) * value, see `update`."""
    _check_variable("moving_average_update", x)
    if _computed_later(value):
        return update(x, x + (value - x) * (1.0 - momentum))
    return update(x, latest(x) * momentum + eval(value) * (1.0 - momentum))


def _computed_later(value: Any) -> bool:
    """Whether Keras would compute the value in each call of a K.function: it is symbolic, or a Variable outside of a run."""
    return isinstance(value, Symbolic) or (isinstance(value, Variable) and not computing())


def _check_variable(who: str, x: object) -> None:
    if not isinstance(x, Variable):
        raise TypeError(f"K.{who}: expected a Variable, got {type(x).__name__}")


@checked
def int_shape(x: Value) -> Shape:
    """The shape of x as a tuple, with None for an unknown size of a symbolic tensor."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


@checked
def get_variable_shape(x: Value) -> Shape:
    """The shape of x, as `int_shape` gives it. In Keras it is only in keras.backend.tensorflow_backend."""
    return int_shape(x)


def _shape_specs(specs: Specs, arguments: Mapping[str, Any]) -> Specs:
    return (((len(specs[0][0]),), "int32"),)


def _shape(x: Value) -> Array:
    """The sizes of x as int32 [number of axes]; for a symbolic tensor a tensor with the sizes of each run."""
    return np.array(int_shape(x), np.int32)


shape = in_graphs(_shape, "shape", specs=_shape_specs)


@checked
def ndim(x: Value) -> int:
    """The number of axes of x."""
    return len(int_shape(x))


@checked
def dtype(x: Value) -> str:
    """The name of the dtype of x, of any shape."""
    return str(x.dtype)


@checked
def count_params(x: Value) -> int:
    """The number of elements of x."""
    return _count(eval(x).shape)


def is_placeholder(x: object) -> bool:
    """Whether x is a tensor of Input or K.placeholder, which needs a value."""
    layer = node_of(x).layer if isinstance(x, Symbolic) else None
    return isinstance(layer, InputLayer) and layer.is_placeholder


def is_tensor(x: object) -> bool:
    """Whether x is an array, a Tensor of a tape, a Variable or a symbolic tensor."""
    return isinstance(x, (np.ndarray, Tensor, Variable, Symbolic))


@checked
def is_keras_tensor(x: object) -> bool:
    """Whether x is a tensor of Input or a layer in a graph, or here also of a function of K for such tensors.

    False for placeholders and Variables.

    Raises:
        ValueError: It is not a tensor of Keras, but for example a NumPy array, a number or a list.
    """
    if isinstance(x, np.ndarray) or not is_tensor(x):
        raise ValueError(f"Unexpectedly found an instance of type `{type(x)}`. Expected a symbolic tensor instance.")
    return isinstance(x, Symbolic) and comes_from_layers(x)


@in_graphs
def cast(x: Value, dtype: str) -> Value:
    """x in another dtype, with the same shape.

    Only a cast from float to float has a gradient, with x's dtype; other results are constants.
    """
    if str(x.dtype) == dtype:
        return x
    return ops.cast(x, dtype=dtype) if np.dtype(dtype).kind == "f" else eval(x).astype(dtype)


def _as_it_came(specs: Specs, arguments: Mapping[str, Any]) -> Specs:
    return specs


def _printed(x: Value, message: str = "") -> Value:
    """x, of any shape, or for a symbolic tensor an equal one. It prints the message and the value, in each run of the graph.

    In a call that only finds shapes, such as the first one of a Lambda's function, it prints nothing.
    """
    if not current.trying:
        print(message, value_of(x))  # noqa: T201 - printing is the purpose of the function
    return x


print_tensor = in_graphs(_printed, "print_tensor", specs=_as_it_came)


@checked
def identity(x: Value, name: str | None = None) -> Value:
    """x itself, of any shape; `name` has no effect. A copy is not needed, because functions do not change their arguments."""
    return x


@in_graphs
def arange(start: int, stop: int | None = None, step: int = 1, dtype: str = "int32") -> Array:
    """A vector: start, start + step, ... below stop, of this dtype.

    Without stop: 0, step, ... below start, which is empty for a negative start.
    """
    first, end = (0, max(start, 0)) if stop is None else (start, stop)
    return np.arange(first, end, step).astype(dtype)


@checked
def cast_to_floatx(x: ArrayLike) -> Array:
    """x as an array of floatx, with the same shape."""
    return as_array(x, floatx(), "K.cast_to_floatx")


@checked
def zeros(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Value:
    """A Variable of zeros; a symbolic tensor if a size is symbolic.

    Args:
        shape: The sizes.
        dtype: The dtype; None is floatx.
        name: Name of the Variable; None for a default name.
    """
    known = _known(shape)
    return variable(np.zeros(known), dtype, name) if sized(known) else _filled(shape, 0.0, dtype or floatx())


@checked
def ones(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Value:
    """A Variable of ones; a symbolic tensor if a size is symbolic. See `zeros` for the arguments."""
    known = _known(shape)
    return variable(np.ones(known), dtype, name) if sized(known) else _filled(shape, 1.0, dtype or floatx())


def _known(shape: Any) -> Any:
    """The sizes as numbers if `shape` is K.shape of a Variable."""
    return tuple(shape.compute()) if isinstance(shape, Symbolic) and shape.lives else shape


def sized(shape: Any) -> bool:
    """Whether no size is a symbolic tensor."""
    if isinstance(shape, (int, np.integer)):  # Keras's own Adam calls K.zeros(1)
        return True
    return not isinstance(shape, Symbolic) and not any(isinstance(size, Symbolic) for size in shape)


def _full(shape: Sequence[int], value: float, dtype: str) -> Array:
    return np.full([int(size) for size in shape], value, dtype)


_filled = in_graphs(_full, "full")


@checked
def eye(size: int | tuple[int, int], dtype: str | None = None, name: str | None = None) -> Variable:
    """A Variable with ones on the diagonal and zeros elsewhere; see `zeros` for dtype and name.

    Args:
        size: A number for a square matrix, or (rows, columns).
    """
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return variable(np.eye(rows, columns), dtype, name)


@in_graphs
def zeros_like(x: Value, dtype: str | None = None, name: str | None = None) -> Array:
    """Zeros with x's shape. None as dtype is floatx, whatever dtype x has; `name` has no effect."""
    return np.zeros(x.shape, floatx() if dtype is None else dtype)


@in_graphs
def ones_like(x: Value, dtype: str | None = None, name: str | None = None) -> Array:
    """Ones with x's shape. None as dtype is floatx, whatever dtype x has; `name` has no effect."""
    return np.ones(x.shape, floatx() if dtype is None else dtype)
