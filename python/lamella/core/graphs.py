"""Functions of rooms below the graph that take its symbolic tensors, too."""

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

    def connect(self, function: str, *arguments: Any, **named: Any) -> Any:  # Any: what the function takes and returns
        """A node of the graph that calls `function`, a name of the closed list."""
        raise NotImplementedError

    def gradients(self, variables: Any) -> list[GraphTensor | None]:
        """K.gradients of this tensor."""
        raise NotImplementedError


class GraphUpdate:
    """A change of state that K.function makes after its outputs."""

    tensors: Sequence[Any]  # symbolic ones, whose values each run gives, and values

    def apply(self, values: list[Array]) -> None:
        """Make it. values: of `tensors`."""
        raise NotImplementedError


class Assignment(GraphUpdate):
    """What K.update makes of a new value that a graph computes.

    Raises:
        ValueError: When it is made: the shapes differ.
    """

    def __init__(self, variable: Variable, value: Any) -> None:
        self.variable, self.tensors = variable, [value]

    def apply(self, values: list[Array]) -> None:
        note(self.variable, values[0])


def accepts_symbolic(room: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: list the function as "<room>.<name>" among those that graphs are made of; of symbolic tensors it makes a node."""

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
