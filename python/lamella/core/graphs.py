"""Base classes of symbolic tensors and their updates, so that rooms which must not import the graph can use them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from lamella.core import registry
from lamella.core.types import Array
from lamella.core.updates import note
from lamella.core.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


class GraphTensor:
    """Base of the symbolic tensors of a graph."""

    __slots__ = ()

    def connect(self, function: str, *arguments: Any, **named: Any) -> Any:  # Any: arguments and results of the function
        """The result of a new node of the graph, which calls `function`, a name of the closed list."""
        raise NotImplementedError

    @property
    def lives(self) -> bool:
        """Whether it has a value now, because it depends on no Input."""
        return False

    def compute(self) -> Any:
        """The value now. While a tape records, a Tensor of the tape.

        Raises:
            TypeError: It depends on an Input.
        """
        raise NotImplementedError

    def gradients(self, variables: Any) -> list[GraphTensor | None]:
        """K.gradients of this tensor for the variables."""
        raise NotImplementedError


class SymbolOutside(TypeError):
    """The error of a function that runs on values and reads a symbolic tensor from outside of it.

    Attributes:
        place: For a loss or metric: the position of its output among those that are trained, and that of the metric, -1 for the
            loss. None elsewhere.
        node: The call of a layer that reads them, if a plan runs it.
        tensors: The symbolic tensors.
        read: The tensors that the function itself reads; `tensors` are those of layers, of which functions of K made these.
    """

    place: tuple[int, int] | None = None
    node: Any = None

    def __init__(self, tensors: Sequence[Any], read: Sequence[Any] = ()) -> None:
        self.tensors, self.read = tensors, read or tensors
        super().__init__(
            f"{tensors} is symbolic: it has no value in a function that runs on values. Make it an input of the layer, as in "
            "Lambda(function)([x, other]); for a loss, use model.add_loss"
        )


class GraphUpdate:
    """A change of state that K.function makes after its outputs."""

    tensors: Sequence[Any]  # symbolic tensors, which each run computes, and values

    def apply(self, values: list[Array]) -> None:
        """Make the change. values: the values of `tensors`."""
        raise NotImplementedError


class Assignment(GraphUpdate):
    """The update that K.update returns for a new value that a graph computes.

    `apply` raises ValueError if the shapes differ.
    """

    def __init__(self, variable: Variable, value: Any) -> None:
        self.variable, self.tensors = variable, [value]

    def apply(self, values: list[Array]) -> None:
        note(self.variable, values[0])


def accepts_symbolic(room: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: register the function as "<room>.<name>" for graphs. If an argument is a symbolic tensor, it makes a node."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        label = f"{room}.{function.__name__}"

        @functools.wraps(function)
        def either(*arguments: P.args, **named: P.kwargs) -> R:
            for value in (*arguments, *named.values()):
                if isinstance(value, GraphTensor):
                    node: R = value.connect(label, *arguments, **named)
                    return node
            return function(*arguments, **named)

        registry.enter("functions", label, either)
        return either

    return decorate
