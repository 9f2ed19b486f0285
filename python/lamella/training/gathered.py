"""What a metric gathers over an epoch: the numbers, arrays and Variables among its attributes, and lists and dicts of numbers.

A metric is Python that changes itself, which an interrupt can cut off. So a batch is counted by a twin, and what the twin
gathered becomes the metric's in the commit of the step.
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
    """Copies, by the names of the attributes; a Variable as its array."""
    return {name: _copy(v.value if isinstance(v, Variable) else v) for name, v in vars(metric).items() if _is_data(v)}


def twin_of(metric: Any) -> Any:
    """A metric that has gathered the same and goes on by itself; the metric itself if it is a function or has slots."""
    if isinstance(metric, FunctionType) or not hasattr(metric, "__dict__"):
        return metric
    cls: Any = type(metric)
    twin = cls.__new__(cls)
    attributes = vars(metric).copy()
    for name, value in attributes.items():
        if type(value) not in _FIXED:
            attributes[name] = _copy(value)
    vars(twin).update(attributes)
    return twin


def moves(metric: Any, twin: Any) -> list[Call]:
    """The calls after which the metric has gathered what its twin has; Variables keep their identity."""
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
    """Of data; other objects are shared."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Variable):
        return copy.deepcopy(value)
    return copy.deepcopy(value) if isinstance(value, _CONTAINERS) and _is_data(value) else value
