"""Makes nodes of the graph of calls on symbolic tensors: functions of the backend, and Python's operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lamella.core import registry
from lamella.core.graphs import SymbolOutside
from lamella.core.types import Value
from lamella.core.updates import computing
from lamella.core.user_array import for_user
from lamella.core.variable import Variable
from lamella.graph.arguments import describe, fill, leaves, placed, symbols
from lamella.graph.checked import checked
from lamella.graph.function import Function
from lamella.graph.input import Placeholder
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.graph.trial import Specs
from lamella.ops.operators import defer_to
from lamella.ops.tape import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def connect(function: str, *arguments: Any, **named: Any) -> Value:
    """Call a new Function layer on the symbolic tensors among the arguments; with none, it reads only Variables.

    Args:
        function: Name of the function.
        *arguments: Its positional arguments.
        **named: Its keyword arguments.

    Returns:
        A symbolic tensor, or a list of them.
    """
    values = [arguments, list(named.values())]
    tensors = symbols(values)
    if tensors and computing():
        # Tensors of Variables that were made before this run, or tensors whose values the plan gives to this call.
        if all(x.lives for x in tensors):
            given, others = fill(placed([arguments, named], tensors), [x.compute() for x in tensors])
            return registry.get("functions", function)(*given, **others)
        if any(isinstance(v, Tensor) or (isinstance(v, np.ndarray) and v.ndim) for v in leaves(values)):
            read = [x for x in tensors if not x.lives]
            raise SymbolOutside(read_in_calls(read), read)
    # An array next to a tensor is a constant of the tensor's dtype, as in Keras. In NumPy the result would be float64.
    dtypes = [x.dtype for x in tensors or leaves(values) if isinstance(x, (Symbolic, Variable))]
    dtype = next((d for d in dtypes if np.dtype(d).kind == "f"), None)
    layer = Function(
        function,
        [describe(value, tensors, dtype) for value in arguments],
        {key: describe(value, tensors, dtype) for key, value in named.items()},
    )
    tensors += _read_by_functions(layer, tensors)
    return layer(tensors[0] if len(tensors) == 1 else tensors) if tensors else call_alone(layer)


# Rounds of trials that find what functions read: one for each tensor, of which the first that is missing stops a trial.
_MOST_READ = 64


def _read_by_functions(layer: Function, tensors: Sequence[Symbolic]) -> list[Symbolic]:
    """The symbolic tensors from outside that functions among the layer's arguments read. They become inputs of the layer."""
    for _ in range(_MOST_READ if layer.has_functions else 0):
        try:
            layer.try_out([*tensors, *layer.outside])
        except SymbolOutside as error:
            more = [x for x in made_before(error.read) if all(x is not other for other in layer.outside)]
            if not more:
                raise
            layer.read_outside([*layer.outside, *more])
        except (TypeError, ValueError):  # the call itself says what is wrong
            break
        else:
            break
    return layer.outside


def call_alone(layer: Layer) -> Value:
    """The result of a new node of a layer that needs no inputs, because it reads Variables."""
    return layer._connect([], False, {})


def in_graphs(
    function: Callable[P, R],
    name: str | None = None,
    specs: Callable[[Specs, Mapping[str, Any]], Specs | None] | None = None,
    *,
    draws: bool = False,
    broadcasts: bool = False,
) -> Callable[P, R]:
    """Decorator that registers a function for graphs.

    Called on symbolic tensors, also in lists and tuples, it returns symbolic tensors. For values it only checks the type of each
    argument. Array-likes and errors are handled as in `graph/checked.py`.

    Args:
        function: The function.
        name: Its name in graphs; None for its own name.
        specs: Function that computes the shapes and dtypes of the outputs from those of the inputs and the arguments by name.
            Without it, or where it gives None, they are found by calling the function on small arrays. This is wrong if the
            shapes depend on values, or if a call has visible effects.
        draws: Whether it draws random numbers without tensors. Outside of a run it then always makes a node.
        broadcasts: Whether the result has the shape to which the arguments are broadcast. Their unknown sizes may then be any.
    """
    label = name or function.__name__
    either = checked(function, label, connect, always=draws)
    if draws:
        setattr(either, "draws", True)
    if broadcasts:
        setattr(either, "broadcasts", True)
    if specs is not None:
        setattr(either, "specs_of", specs)
    registry.enter("functions", label, either)
    return either


def bases(tensors: Sequence[Symbolic]) -> list[Symbolic]:
    """The tensors of Inputs and other layers than Function, of which functions of K, or layers called in a run, made these."""
    return _back(tensors, lambda node: isinstance(node.layer, Function) or _made_again(node))


def read_in_calls(tensors: Sequence[Symbolic]) -> list[Symbolic]:
    """What a call gets to read these: the tensors themselves, so that K.gradients finds them and random numbers are drawn once.

    Sizes are computed again from the tensors of layers: a trial needs those of its small arrays.
    """
    before = made_before(tensors)
    return before if all(x.shape and x.dtype.startswith("float") for x in before) else bases(tensors)


def made_before(tensors: Sequence[Symbolic]) -> list[Symbolic]:
    """The tensors that existed before the run, of which these are made."""
    return _back(tensors, _made_again)


def _made_again(node: Node) -> bool:
    """Whether each run makes such a node, and all of them compute the same."""
    return node.made_in_run and (isinstance(node.layer, Function) or not node.layer.made_in_run)


def _back(tensors: Sequence[Symbolic], passes: Callable[[Node], bool]) -> list[Symbolic]:
    """The tensors, but where `passes` is True of the node that made one, those that the node reads."""
    found: dict[Symbolic, None] = {}
    waiting = list(tensors)
    while waiting:
        x = waiting.pop()
        node = node_of(x)
        if passes(node):
            waiting += node.reads
        else:
            found[x] = None
    return list(found)


def in_this_run(value: Value) -> Value:
    """What a user's function returned: in a run the value of a symbolic tensor that it read or made."""
    return value.compute() if isinstance(value, Symbolic) and computing() else value


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
BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "matmul": "matmul", "mod": "mod",
    "floordiv": "floor_divide",
}  # fmt: skip
LOGICAL = {"and": "logical_and", "or": "logical_or", "xor": "logical_xor"}  # comparisons of tensors have no gradients
COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


def _method(name: str, swapped: bool) -> Callable[[Any, object], Value]:
    return lambda self, other: connect(name, other, self) if swapped else connect(name, self, other)


def _in_runs(compute: Callable[..., Value], node: Callable[..., Value]) -> Callable[..., Value]:
    """An operator of Variables: in a run `compute`, otherwise `node`.

    An array that it computes is one for users: `+=` on a plain slice of a weight would change the weight.
    """
    return lambda self, *other: for_user(compute(self, *other)) if computing() else node(self, *other)


def _give_operators() -> None:
    defer_to(Symbolic)
    setattr(Symbolic, "connect", lambda self, function, *arguments, **named: connect(function, *arguments, **named))
    methods: dict[str, Callable[..., Value]] = {
        **{method: _method(name, False) for method, name in (BINARY | COMPARISONS).items()},
        **{f"r{method}": _method(name, True) for method, name in BINARY.items()},
        "neg": lambda self: connect("negative", self),
        "abs": lambda self: connect("abs", self),
        "getitem": lambda self, key: connect("getitem", self, key),
    }
    for name, method in methods.items():
        setattr(Symbolic, f"__{name}__", method)
        setattr(Variable, f"__{name}__", _in_runs(getattr(Variable, f"__{name}__"), method))
    for name, function in LOGICAL.items():
        setattr(Symbolic, f"__{name}__", _method(function, False))
        setattr(Symbolic, f"__r{name}__", _method(function, True))
    setattr(Symbolic, "__invert__", lambda self: connect("logical_not", self))
    # Without it, Python would iterate over a Variable by __getitem__, whose nodes raise no IndexError at the end.
    setattr(Variable, "__iter__", lambda self: (self[i] for i in range(len(self.value))))


_give_operators()
