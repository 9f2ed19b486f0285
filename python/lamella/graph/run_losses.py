"""RunLosses: the losses that layers add in a run, and the calls in which they added them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from lamella.core.atomic import Scope
from lamella.core.types import Value


class _Running(threading.local):
    # The nodes whose calls run, outermost first: inside a model in the graph, the node of that model comes first.
    calls: tuple[object, ...] = ()


running = _Running()


class RunLosses(threading.local):
    """The losses that were added in the last run of this thread, so that predict in one thread does not affect fit in another.

    A copy, by pickle or deepcopy, is empty.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[tuple[object, ...], Any]] = []  # the calls and the loss; Any: Tensors or ndarrays
        self.run: object = None  # the run in which they were added; None for a call outside of a run

    def __reduce__(self) -> tuple[type[RunLosses], tuple[()]]:
        return RunLosses, ()

    @property
    def values(self) -> list[Any]:
        """The losses."""
        return [loss for _, loss in self.entries]

    @property
    def of_last_call(self) -> list[Any]:
        """The losses of the last call that added some."""
        return [loss for calls, loss in self.entries if calls == self.entries[-1][0]]

    def of(self, node: object) -> list[Any]:
        """The losses that were added in the call of this node.

        If the run did not call it itself, but the model around it as a layer of another model, those of the last such call.
        """
        found: dict[tuple[object, ...], list[Any]] = {}
        for calls, loss in self.entries:
            if node in calls:
                found.setdefault(calls[: calls.index(node)], []).append(loss)
        return found[()] if () in found else next(reversed(found.values()), [])

    def add(self, losses: Iterable[Any]) -> None:
        """Add losses of the call that runs."""
        self.entries += [(running.calls, loss) for loss in losses]

    def clear(self) -> None:
        """Remove the losses."""
        self.entries.clear()


def call_within(node: object, call: Callable[..., Value], *arguments: Any, **named: Any) -> Value:
    """The call of a node, whose losses are noted as its own."""
    return Scope((running, "calls", (*running.calls, node))).run(call, *arguments, **named)
