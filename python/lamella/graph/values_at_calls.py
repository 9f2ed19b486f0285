"""Attributes of a layer that a program changes between two calls of the layer in a graph:

    layer.scale = 1.0
    a = layer(x)
    layer.scale = 2.0
    b = layer(x)

Keras runs `call` once for each of these calls, so each keeps the values of its time. Here each run calls `call`: the attributes
that differ get the values of the node's time. If the layer is called once, or nothing differs, `call` reads the present ones. So
it does of attributes that `call` itself changes, such as a count of runs, and of lists and dicts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.types import Value
from lamella.core.user_array import UserArray
from lamella.graph.symbolic import Node
from lamella.graph.weights_in_calls import writing_lock

# What a program sets, in contrast to weights, tensors and layers. Arrays and functions count as changed if they are others.
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_SET = (*_PLAIN, tuple, np.ndarray, np.generic, FunctionType)


def set_by_programs(attributes: Mapping[str, Any], base: type) -> dict[str, Any]:
    """Those of a layer's attributes that a program may have set for the next call. The attributes of `base` do not count."""
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, _SET) and not isinstance(value, UserArray) and name not in _names_of(base)
    }


@functools.cache
def _names_of(base: type) -> frozenset[str]:
    """The attributes that every layer has, such as `trainable`."""
    return frozenset((*dir(base), *vars(base(name="any")), "made_in_run"))


def note(node: Node, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Note the values with which a call was made, and which of them a program has changed since the call before.

    Args:
        node: The call.
        before: The values before the call.
        after: The values after it, of the same attributes.
    """
    layer: Any = node.layer
    node.values, node.values_after = before, after
    if len(layer._inbound_nodes) > 1:
        last: Node = layer._inbound_nodes[-2]
        names = _changed(last.values_after or {}, before) - _changed(last.values or {}, last.values_after or {})
        names = names & last.values.keys() - _changed(before, after) if names else names
        if names - layer.differs_in_calls:
            layer.differs_in_calls = layer.differs_in_calls | names


def with_values(node: Node, call: Callable[[], Value]) -> Value:
    """A call of the node's layer, whose attributes have the values of the node."""
    layer: Any = node.layer
    scope = Scope(*((layer, name, node.values[name]) for name in layer.differs_in_calls if name in node.values))
    with writing_lock.current:  # another thread must not read the values of this call
        return scope.run(call)


def of_node(node: Node, call: Callable[..., Value], *given: Any, **named: Any) -> Callable[[], Value]:
    """The call of a node as a function without arguments, see `with_values`."""
    run = functools.partial(call, *given, **named)
    differs = node.values and node.layer.differs_in_calls
    return functools.partial(with_values, node, run) if differs else run


def _changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The names of the values in both that differ."""
    return {name for name, value in after.items() if name in before and not _same(value, before[name])}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or (type(a) is type(b) and isinstance(a, _PLAIN) and a == b)
