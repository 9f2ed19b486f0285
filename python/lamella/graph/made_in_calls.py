"""Variables that a function makes while it runs on values, for example that of a Lambda: the same in every run.

Keras calls the function once, when it makes the graph. So such a Variable belongs to one call of the layer, a node. It is not a
weight of the layer, and is not trained. A copy of the graph has copies of these Variables; a clone or a model that is loaded
makes others.
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
    """The next object of this kind that the running function makes: that of an earlier run, or a new one from `make`.

    A trial, and what runs outside of a graph, make new ones.

    Args:
        make: Makes the object.
        kind: What distinguishes it from others, such as its shape, because a function may not make all of them in each run.
    """
    made = None if pending.trying else pending.made or _made_in_call()
    return make() if made is None else made.one(make, kind)


def kept_weight(make: Callable[[], Variable], kind: object) -> Variable:
    """The same for a weight of a layer that the function makes. As in Keras, a run does not update it."""
    weight = kept(make, kind)
    if pending.updates is not None and not pending.trying:
        pending.updates.unmoved = {*(pending.updates.unmoved or ()), id(weight)}
    return weight


def _made_in_call() -> Made | None:
    # Nodes that the function itself makes are others in each run.
    calls = tuple(node for node in running.calls if isinstance(node, Node) and not node.made_in_run)
    return Made(calls[0].made, pending.updates, calls) if calls and pending.updates is not None else None
