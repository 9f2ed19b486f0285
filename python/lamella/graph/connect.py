"""Makes nodes of the graph of calls on symbolic tensors: functions of the backend, and Python's operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lamella.core import registry
from lamella.core.types import Value
from lamella.graph.arguments import describe, symbols
from lamella.graph.checked import checked
from lamella.graph.function import Function
from lamella.graph.input import Placeholder
from lamella.graph.symbolic import Symbolic, node_of
from lamella.graph.trial import Specs
from lamella.ops.operators import defer_to

P = ParamSpec("P")
R = TypeVar("R")


def connect(function: str, *arguments: Any, **named: Any) -> Value:
    """Call a new Function layer on the symbolic tensors among the arguments.

    Args:
        function: Name of the function.
        *arguments: Its positional arguments.
        **named: Its keyword arguments.

    Returns:
        A symbolic tensor, or a list of them.
    """
    tensors = symbols([arguments, list(named.values())])
    # An array next to a tensor is a constant of the tensor's dtype, as in Keras. In NumPy the result would be float64.
    dtype = next((x.dtype for x in tensors if np.dtype(x.dtype).kind == "f"), None)
    layer = Function(
        function,
        [describe(value, tensors, dtype) for value in arguments],
        {key: describe(value, tensors, dtype) for key, value in named.items()},
    )
    return layer(tensors[0] if len(tensors) == 1 else tensors)


def in_graphs(
    function: Callable[P, R], name: str | None = None, specs: Callable[[Specs, Mapping[str, Any]], Specs] | None = None
) -> Callable[P, R]:
    """Decorator that registers a function for graphs.

    Called on symbolic tensors, also in lists and tuples, it returns symbolic tensors. For values it only checks the type of each
    argument. Array-likes and errors are handled as in `graph/checked.py`.

    Args:
        function: The function.
        name: Its name in graphs; None for its own name.
        specs: Function that computes the shapes and dtypes of the outputs from those of the inputs and the arguments by name.
            With None they are found by calling the function on small arrays. This is wrong if the shapes depend on values, or
            if a call has visible effects.
    """
    label = name or function.__name__
    either = checked(function, label, connect)
    if specs is not None:
        setattr(either, "specs_of", specs)
    registry.enter("functions", label, either)
    return either


def comes_from_layers(x: Symbolic) -> bool:
    """Whether the tensor depends on an Input, or on a layer of another class than Function."""
    seen: set[int] = set()
    waiting = [node_of(x)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node.layer, (Function, Placeholder)):
            return True
        if id(node) not in seen:
            seen.add(id(node))
            waiting += node.inbound_nodes
    return False


# Python's operators, and the names of their functions in the backend.
_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "matmul": "matmul"}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


def _method(name: str, swapped: bool) -> Callable[[Symbolic, object], Value]:
    return lambda self, other: connect(name, other, self) if swapped else connect(name, self, other)


def _give_operators() -> None:
    defer_to(Symbolic)
    setattr(Symbolic, "connect", lambda self, function, *arguments, **named: connect(function, *arguments, **named))
    for method, name in (_BINARY | _COMPARISONS).items():
        setattr(Symbolic, f"__{method}__", _method(name, False))
    for method, name in _BINARY.items():
        setattr(Symbolic, f"__r{method}__", _method(name, True))
    setattr(Symbolic, "__neg__", lambda self: connect("negative", self))
    setattr(Symbolic, "__abs__", lambda self: connect("abs", self))
    setattr(Symbolic, "__getitem__", lambda self, key: connect("getitem", self, key))


_give_operators()
