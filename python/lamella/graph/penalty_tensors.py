"""The penalties of weights as tensors of the graph: `layer.losses` returns the same tensors each time, as in Keras."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from lamella.core.types import Value
from lamella.core.updates import computing
from lamella.core.variable import Variable
from lamella.graph.symbolic import Symbolic, node_of

# Weak on both sides: a tensor refers to its Variable.
_tensors: weakref.WeakKeyDictionary[Variable, weakref.ref[Symbolic]] = weakref.WeakKeyDictionary()


def value_or_tensor(penalty: Callable[[], Value]) -> Value:
    """The value of a penalty in a run; outside of a run, the tensor of the graph that computes it.

    That of a weight is made once, and anew if the weight has another regularizer or an attribute of the regularizer was set.
    """
    if computing() or not isinstance(penalty, functools.partial) or not penalty.args:
        return penalty()
    variable = penalty.args[0]
    if not isinstance(variable, Variable):
        return penalty()
    made_by = _parts(penalty.func)
    known = _tensors[variable]() if variable in _tensors else None
    if known is not None and _same(node_of(known).added.get("penalty", []), made_by):
        return known
    tensor = penalty()
    if isinstance(tensor, Symbolic):  # a function of NumPy returns the present value
        node_of(tensor).added["penalty"] = made_by
        _tensors[variable] = weakref.ref(tensor)
    return tensor


def _parts(regularizer: Any) -> list[object]:
    """The regularizer and its attributes, which numbers usually are."""
    return [regularizer, *getattr(regularizer, "__dict__", {}).values()]


def _same(a: list[object], b: list[object]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b))
