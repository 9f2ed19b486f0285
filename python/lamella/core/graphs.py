"""Functions of rooms below the graph that take its symbolic tensors, too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from lamella.core import registry

P = ParamSpec("P")
R = TypeVar("R")


class GraphTensor:
    """Base of the symbolic tensors of a graph."""

    __slots__ = ()

    def connect(self, function: str, *arguments: Any, **named: Any) -> Any:  # Any: what the function takes and returns
        """A node of the graph that calls `function`, a name of the closed list."""
        raise NotImplementedError


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
