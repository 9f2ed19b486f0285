"""Inputs of a layer that are computed from its other inputs, computed again in its call, so that K.gradients sees how."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from lamella.core.atomic import Scope
from lamella.core.phase import current
from lamella.core.types import Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user, of_lamella
from lamella.graph.added_losses import emptied
from lamella.graph.layer import Layer
from lamella.graph.masked_plan import RepeatingPlan
from lamella.graph.run_losses import running
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.trace import calls_between, walk


class InputsAgain:
    """A function of the inputs of a call that replaces those which other inputs determine by a computation from these.

    Args:
        inputs: The inputs of the call.
        later: The indices of the inputs that are computed again.

    Attributes:
        ends: The other tensors that the computation starts from. Their values come from `pending.outside`.
        nodes: The calls that are made again.
    """

    def __init__(self, inputs: Sequence[Symbolic], later: Sequence[int]) -> None:
        self._later = list(later)
        self._sources = [x for i, x in enumerate(inputs) if i not in later]
        self._wanted = [inputs[i] for i in later]
        reached, _ = walk(self._sources, self._wanted)
        known = set(self._sources)
        self.ends = [x for node in reached if not node.is_computed for x in node.outputs if x not in known]
        self.nodes: list[Node] = calls_between([*self._sources, *self.ends], self._wanted)
        self._plan: RepeatingPlan | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_plan": None}

    def __call__(self, inputs: Sequence[Value]) -> list[Value]:
        if self._plan is None:
            self._plan = RepeatingPlan(self.nodes, [*self._sources, *self.ends], self._wanted, again=True)
        given = [x for i, x in enumerate(inputs) if i not in self._later]
        drawn = None if pending.updates is None else pending.updates.drawn
        # The state of layers changes only in the first computation, so these updates are dropped.
        scope = Scope(
            (pending, "updates", Updates(drawn)),
            (running, "calls", running.calls[:-1]),
            *emptied([node.layer for node in self.nodes])(),
        )
        made = scope.run(self._plan, [*given, *(pending.outside[x] for x in self.ends)], current.training)
        values = list(inputs)
        for i, value in zip(self._later, made):
            values[i] = for_user(value)
        return values


def inputs_again(layer: Layer, inputs: Sequence[Symbolic]) -> InputsAgain | None:
    """The inputs that a call computes again; None if none depends on another, or if the layer does not use K.gradients."""
    if not (layer.asks_gradients or _uses_gradients(type(layer))):
        return None
    later = [
        i
        for i, x in enumerate(inputs)
        if any(each is not x and any(y is each for node in walk([], [x])[0] for y in node.outputs) for each in inputs)
    ]
    return InputsAgain(inputs, later) if later else None


def _uses_gradients(cls: type) -> bool:
    """Whether the code of a method that a user wrote has the name `gradients`."""
    methods = [f for kind in cls.__mro__ if not of_lamella(kind) for f in vars(kind).values()]
    return any("gradients" in f.__code__.co_names for f in methods if isinstance(f, types.FunctionType))


setattr(Layer, "inputs_again", inputs_again)
