"""The state that a metric gathers over an epoch: the attributes that are numbers, arrays, Variables, or lists and dicts of numbers.

A metric changes itself in Python code, which an interrupt can stop in the middle. So a twin of the metric counts the batch, and
the commit of the step moves the twin's state to the metric.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numpy as np

from lamella.core.atomic import Call, write
from lamella.core.variable import Variable

_FIXED = frozenset((type(None), bool, int, float, complex, str, bytes))
_ATOMS = (*_FIXED, np.generic)
_CONTAINERS = (list, tuple, dict, set, deque)


def gathered(metric: Any) -> dict[str, Any]:
    """The state of a metric: copies by attribute name, a Variable as its array."""
    return {name: _copy(v.value if isinstance(v, Variable) else v) for name, v in vars(metric).items() if _is_data(v)}


def twin_of(metric: Any) -> Any:
    """A copy of the metric with its own state. A function, or an object without __dict__, is returned itself."""
    if isinstance(metric, FunctionType) or not hasattr(metric, "__dict__"):
        return metric
    cls: Any = type(metric)
    twin = cls.__new__(cls)
    attributes = vars(metric).copy()
    shared = getattr(cls, "never_written", ())
    for name, value in attributes.items():
        if type(value) not in _FIXED and name not in shared:
            attributes[name] = _copy(value)
    vars(twin).update(attributes)
    return twin


def moves(metric: Any, twin: Any) -> list[Call]:
    """The calls that give the metric the state of its twin. Variables keep their identity."""
    if twin is metric:
        return []
    own, others = vars(metric), {}
    calls = []
    for name, new in vars(twin).items():
        old = own.get(name)
        if new is old:
            continue
        if type(new) is Variable and type(old) is Variable and old.shape == new.shape:
            calls.append(write(old.value, new.value))
        else:
            others[name] = new
    return [*calls, (own.update, (others,))]


def _is_data(value: Any) -> bool:
    if isinstance(value, _CONTAINERS):
        values = value.values() if isinstance(value, Mapping) else value
        return all(_is_data(v) and not isinstance(v, Variable) for v in values)
    return isinstance(value, (*_ATOMS, np.ndarray, Variable))


def _copy(value: Any) -> Any:
    """A copy of data; other objects are shared."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Variable):
        return copy.deepcopy(value)
    return copy.deepcopy(value) if isinstance(value, _CONTAINERS) and _is_data(value) else value
