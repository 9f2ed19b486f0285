"""Variables that a function makes in a run, such as that of a Lambda. They are the same in each run of a node, as in Keras,
which calls the function once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lamella.core.updates import Made
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.graph.run_losses import running
from lamella.graph.symbolic import Node

T = TypeVar("T")


def kept(make: Callable[[], T], kind: object) -> T:
    """The next object of this kind: that of an earlier run, or a new one from `make`, as always in a trial.

    The kind contains the shape, because a function may not make all objects in each run.
    """
    made = None if pending.trying else pending.made or _made_in_call()
    return make() if made is None else made.one(make, kind)


def kept_weight(make: Callable[[], Variable], kind: object) -> Variable:
    """`kept` for a weight of a layer, which no run updates, as in Keras."""
    weight = kept(make, kind)
    if pending.updates is not None and not pending.trying:
        pending.updates.unmoved = {*(pending.updates.unmoved or ()), id(weight)}
    return weight


def _made_in_call() -> Made | None:
    # Nodes that the function itself makes are others in each run.
    calls = tuple(node for node in running.calls if isinstance(node, Node) and not node.made_in_run)
    return Made(calls[0].made, pending.updates, calls) if calls and pending.updates is not None else None
