"""Python's operators for Tensor and Variable, which stand below this room."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from lamella.core.variable import Variable
from lamella.ops import math, shape
from lamella.ops.tape import Tensor, value_of

_above: set[type] = set()


def give_way(kind: type) -> None:
    """Leave an operator to the other side if that is of `kind`, which has it."""
    _above.add(kind)


def _like(op: Callable[..., object], swapped: bool) -> Callable[[Tensor | Variable, object], object]:
    """A method for one of Python's operators. A Python number takes the tensor's dtype."""

    def method(self: Tensor | Variable, other: object) -> object:
        if type(other) in _above:
            return NotImplemented
        if isinstance(other, (bool, int, float)):
            other = np.asarray(other, self.dtype)
        return op(other, self) if swapped else op(self, other)

    return method


def _comparison(compare: Callable[[object, object], object]) -> Callable[[Tensor | Variable, object], object]:
    return lambda self, other: NotImplemented if type(other) in _above else compare(self.value, value_of(other))


def _give_operators() -> None:
    """+, -, *, /, **, @, abs, comparisons and indexing."""
    both: dict[str, Callable[..., object]] = {
        "add": math.add, "sub": math.subtract, "mul": math.multiply, "truediv": math.divide, "pow": math.power,
        "matmul": math.matmul,
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
    # NumPy has no rule of its own for a Variable: ndarray + variable asks the variable.
    setattr(Variable, "__array_priority__", 1000)


_give_operators()
