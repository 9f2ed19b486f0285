"""From a call on symbolic tensors to a node of the graph: the functions of the backend, and Python's operators."""

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
from lamella.ops.operators import give_way

P = ParamSpec("P")
R = TypeVar("R")


def connect(function: str, *arguments: Any, **named: Any) -> Value:
    """A new Function layer, called on the symbolic tensors among the arguments; returns its symbolic outputs."""
    tensors = symbols([arguments, list(named.values())])
    # An array beside a tensor is a constant of its dtype, as in Keras, where NumPy would make float64 of both.
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
    """Decorator: list `function` among those that graphs are made and read of, under its own or the given name.

    Called on symbolic tensors, also in lists and tuples, it then returns symbolic tensors. On values it costs a look at the
    type of each argument. Array-likes and errors are treated as `layers.checked` says.

    Args:
        specs: Gives the shapes and dtypes of the outputs, from the inputs' and the arguments by name. None: they are found by
            calling the function on small arrays, which does not do where they depend on values, or where a call is seen.
    """
    label = name or function.__name__
    either = checked(function, label, connect)
    if specs is not None:
        setattr(either, "specs_of", specs)
    registry.enter("functions", label, either)
    return either


def comes_from_layers(x: Symbolic) -> bool:
    """Whether an Input, or a layer of another kind than Function, stands before the tensor, or makes it."""
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


# Python's operators, by the names under which the backend lists what they do.
_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "matmul": "matmul"}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


def _method(name: str, swapped: bool) -> Callable[[Symbolic, object], Value]:
    return lambda self, other: connect(name, other, self) if swapped else connect(name, self, other)


def _give_operators() -> None:
    give_way(Symbolic)
    setattr(Symbolic, "connect", lambda self, function, *arguments, **named: connect(function, *arguments, **named))
    for method, name in (_BINARY | _COMPARISONS).items():
        setattr(Symbolic, f"__{method}__", _method(name, False))
    for method, name in _BINARY.items():
        setattr(Symbolic, f"__r{method}__", _method(name, True))
    setattr(Symbolic, "__neg__", lambda self: connect("negative", self))
    setattr(Symbolic, "__abs__", lambda self: connect("abs", self))
    setattr(Symbolic, "__getitem__", lambda self, key: connect("getitem", self, key))


_give_operators()
