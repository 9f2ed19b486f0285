"""Python's operators for Tensor and Variable. They are added here because the module of Variable cannot import ops."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from lamella.core.types import Array, Value
from lamella.core.user_array import CONSTANTS, as_beside
from lamella.core.variable import Variable
from lamella.ops import broadcast, math, shape
from lamella.ops.tape import Tensor, array_of, value_of

_deferred_to: set[type] = set()


def defer_to(kind: type) -> None:
    """Make the operators return NotImplemented if the other operand is of class `kind`, so that its own operators are used."""
    _deferred_to.add(kind)


def _like(op: Callable[..., object], swapped: bool) -> Callable[[Tensor | Variable, object], object]:
    """A method for one of Python's operators. A number or an array that is no tensor is converted to the tensor's dtype."""

    def method(self: Tensor | Variable, other: object) -> object:
        if type(other) in _deferred_to:
            return NotImplemented
        if isinstance(other, (bool, int, float)):
            other = np.asarray(other, self.dtype)
        elif type(other) in CONSTANTS:
            other = as_beside(other, np.dtype(self.dtype))
        return op(other, self) if swapped else op(self, other)

    return method


def _floor_divide(a: Value, b: Value) -> Array:
    """floor(a / b): as in TensorFlow, no gradient."""
    return broadcast.floor_divide(array_of(a), array_of(b))


def _comparison(compare: Callable[[object, object], object]) -> Callable[[Tensor | Variable, object], object]:
    return lambda self, other: NotImplemented if type(other) in _deferred_to else compare(self.value, value_of(other))


def _give_operators() -> None:
    """Define +, -, *, /, //, %, **, @, abs, comparisons and indexing."""
    both: dict[str, Callable[..., object]] = {
        "add": math.add, "sub": math.subtract, "mul": math.multiply, "truediv": math.divide, "pow": math.power,
        "matmul": math.matmul, "mod": math.mod, "floordiv": _floor_divide,
    }  # fmt: skip
    for kind in (Tensor, Variable):
        for name, op in both.items():
            setattr(kind, f"__{name}__", _like(op, False))
            setattr(kind, f"__r{name}__", _like(op, True))
        for name in ("lt", "le", "gt", "ge"):
            setattr(kind, f"__{name}__", _comparison(getattr(operator, name)))
        setattr(kind, "__neg__", lambda self: math.negative(self))
        setattr(kind, "__abs__", lambda self: math.abs(self))
        setattr(kind, "__getitem__", lambda self, key: shape.getitem(self, key=key))
    # With this attribute, ndarray + variable calls the operator of the Variable.
    setattr(Variable, "__array_priority__", 1000)


_give_operators()
