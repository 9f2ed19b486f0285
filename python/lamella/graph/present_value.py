"""The present value of a symbolic tensor that depends on no Input: a function of Variables is such a tensor.

NumPy and Python get this value wherever they need one, so that K.sum(v) of a Variable can be printed, compared and converted.
In a run (a layer's call, a loss) the value is computed there, and a tape that records has its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamella.core.graphs import SymbolOutside
from lamella.core.phase import current
from lamella.core.types import Array, Value
from lamella.core.updates import computing
from lamella.core.updates import current as pending
from lamella.graph.added_losses import last_value_of
from lamella.graph.connect import BINARY, COMPARISONS, connect, read_in_calls
from lamella.graph.run import GraphRun
from lamella.graph.symbolic import Symbolic, node_of
from lamella.graph.trace import held_values, walk
from lamella.ops.tape import array_of

# The function of the graph for each function of NumPy.
_UFUNCS: dict[Any, str] = {getattr(np, {"divide": "true_divide"}.get(name, name)): name for name in BINARY.values()} | {
    getattr(np, name): name for name in COMPARISONS.values()
}
_UFUNCS |= {np.negative: "negative", np.absolute: "abs"}

# What == compares by value; everything else, in particular another tensor, only by identity.
_VALUES = (int, float, np.ndarray, np.generic, list, tuple)


def _run_of(x: Symbolic) -> GraphRun | None:
    """What computes the outputs of x's node; None if they depend on an Input. It is made once."""
    node = node_of(x)
    if node.alone is None:
        nodes, _ = walk([], node.outputs)
        held = held_values(nodes)
        fed = any(not each.is_computed and each.outputs[0] not in held for each in nodes)
        node.alone = False if fed else GraphRun([], node.outputs)
    return node.alone or None


def _run_from_outside(x: Symbolic) -> GraphRun | None:
    """What computes x from the tensors whose values the running call of a layer has; None if it needs others."""
    try:
        return GraphRun(list(pending.outside), [x]) if pending.outside else None
    except ValueError:
        return None


def _run_from_last(x: Symbolic) -> tuple[GraphRun, list[Value]] | None:
    """What computes x from entries of model.losses, which have values of the last run, and these; None if it needs others."""
    found: dict[Symbolic, Value] = {}
    waiting = [] if computing() else [x]
    while waiting:
        one = waiting.pop()
        value = last_value_of(one)
        if value is None:
            waiting += node_of(one).reads
        else:
            found[one] = value
    try:
        return (GraphRun(list(found), [x]), list(found.values())) if found else None
    except ValueError:
        return None


def _lives(self: Symbolic) -> bool:
    """Whether the tensor has a value now."""
    if self in pending.outside or _run_of(self) is not None or _run_from_outside(self) is not None:
        return True
    return _run_from_last(self) is not None


def _compute(self: Symbolic) -> Value:
    """The value of the tensor now.

    Raises:
        SymbolOutside: In a run, it depends on tensors that the run does not have.
        TypeError: Outside of a run, it depends on an Input.
    """
    outside = pending.outside
    if self in outside:
        return outside[self]
    run = _run_of(self)
    if run is None and computing():
        run = _run_from_outside(self)
        if run is None:
            raise SymbolOutside(read_in_calls([self]), [self])
        return run.within(list(outside.values()))[0]
    last = _run_from_last(self) if run is None else None
    if last is not None:
        return last[0](last[1])[0]
    if run is None:
        raise TypeError(
            f"{self!r} is symbolic: it has no value; use the functions of lamella.backend and Python's arithmetic, compute "
            "inside the call() of a layer, or run a Model"
        )
    return (run.within() if computing() else run([], current.training))[self._keras_history[2]]


def _array(self: Symbolic, dtype: Any = None, copy: bool | None = None) -> Array:
    # A copy, because NumPy may be given the array of an identity.
    return np.array(array_of(_compute(self)), dtype)


def _ufunc(self: Symbolic, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
    """NumPy's function of arrays and this tensor: a node for arithmetic, otherwise the function of the present value."""
    if method == "__call__" and not named:
        if ufunc in _UFUNCS:
            return connect(_UFUNCS[ufunc], *inputs)
        if ufunc in (np.equal, np.not_equal) and not self.lives:
            return ufunc is np.not_equal  # by identity
    return getattr(ufunc, method)(*(_array(x) if isinstance(x, Symbolic) else x for x in inputs), **named)


def _equal(self: Symbolic, other: object) -> Any:
    """By value for a living tensor and numbers; otherwise Python compares by identity."""
    if not isinstance(other, _VALUES) or not self.lives:
        return NotImplemented
    return _array(self) == np.asarray(other)


def _different(self: Symbolic, other: object) -> Any:
    equal = _equal(self, other)
    return equal if equal is NotImplemented else np.logical_not(equal)


def _format(self: Symbolic, form: str) -> str:
    return format(str(self), form) if not form or not self.lives else format(_array(self)[()], form)


def _text(self: Symbolic) -> str:
    return str(_array(self)[()]) if self.lives else repr(self)


class NoLength(AttributeError, TypeError):
    """Raised by len() of a tensor without a value, so that `hasattr(model.output, "__len__")` is False as in Keras."""


def _length(self: Symbolic) -> Callable[[], int]:
    if not self.lives:
        raise NoLength(f"{self!r} is symbolic: it has no len(); for several outputs of a model, see model.outputs")
    return lambda: len(_array(self))


def _iterate(self: Symbolic) -> Iterator[Any]:
    return iter(_array(self))


def _give_values() -> None:
    """Define the methods of Symbolic that need a value. Its own module is below those that compute values."""
    converted: dict[str, Callable[..., Any]] = {
        "bool": bool, "float": float, "int": int,
        "index": lambda x: x.__index__(), "contains": lambda x, entry: entry in x,
    }  # fmt: skip
    for name, convert in converted.items():
        setattr(Symbolic, f"__{name}__", lambda self, *more, of=convert: of(_array(self), *more))
    special = {
        "array": _array, "array_ufunc": _ufunc, "eq": _equal, "ne": _different, "format": _format, "str": _text, "iter": _iterate,
    }  # fmt: skip
    for name, method in special.items():
        setattr(Symbolic, f"__{name}__", method)
    setattr(Symbolic, "compute", _compute)
    setattr(Symbolic, "numpy", _array)
    setattr(Symbolic, "lives", property(_lives))
    setattr(Symbolic, "__len__", property(_length))


_give_values()
