"""RunLosses: the losses that layers add in a run, and the calls in which they added them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from lamella.core.atomic import Scope
from lamella.core.types import Value


class _Running(threading.local):
    node: object = None  # the node that the plan of this run calls; inside a model in the graph, the node of that model


running = _Running()


class RunLosses(threading.local):
    """The losses that were added in the last run of this thread, so that predict in one thread does not affect fit in another.

    A copy, by pickle or deepcopy, is empty.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[object, Any]] = []  # the node and the loss; Any: Tensors or ndarrays
        self.run: object = None  # the run in which they were added; None for a call outside of a run

    def __reduce__(self) -> tuple[type[RunLosses], tuple[()]]:
        return RunLosses, ()

    @property
    def values(self) -> list[Any]:
        """The losses."""
        return [loss for _, loss in self.entries]

    def of(self, node: object) -> list[Any]:
        """The losses that were added in the call of this node."""
        return [loss for each, loss in self.entries if each is node]

    def add(self, losses: Iterable[Any]) -> None:
        """Add losses of the call that runs."""
        self.entries += [(running.node, loss) for loss in losses]

    def clear(self) -> None:
        """Remove the losses."""
        self.entries.clear()


def call_within(node: object, call: Callable[..., Value], *arguments: Any, **named: Any) -> Value:
    """The call of a node, whose losses are noted as its own."""
    if running.node is not None:
        return call(*arguments, **named)
    return Scope((running, "node", node)).run(call, *arguments, **named)
