"""A plan that passes masks along with the values: for graphs in which a layer makes masks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.random import drawing, drawn
from lamella.core.types import Value
from lamella.graph.layer import takes_mask
from lamella.graph.plan import Plan
from lamella.graph.run_losses import call_within
from lamella.graph.symbolic import Node, Symbolic, as_many

# A boolean array, or None if nothing is masked.
Mask = Any


class Outputs(list[Value]):
    """The values of a model's outputs; `masks` has one entry for each."""

    masks: list[Mask]


class MaskedPlan(Plan):
    """Runs as a Plan does, with masks.

    `call` of a layer gets the mask of its inputs if it has an argument `mask`, there is a mask, and the user gave no other.
    `compute_mask` gives the mask of its output.
    """

    joins = False

    def __init__(
        self, nodes: Sequence[Node], inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], *, frozen: bool = False
    ) -> None:
        super().__init__(nodes, inputs, outputs, frozen=frozen)
        self.frozen = frozen

    def __call__(self, inputs: Sequence[Value], training: bool) -> Outputs:
        return self.run(inputs, [None] * len(inputs), training)

    def run(self, inputs: Sequence[Value], given_masks: Sequence[Mask], training: bool) -> Outputs:
        values, masks = [*inputs, *self._spare], [*given_masks, *[None] * len(self._spare)]
        given: Any = None
        try:
            for (call, passes, source, target), node in zip(self.steps, self.nodes):
                given, mask = _at(values, source), _at(masks, source)
                x, layer = given, node.layer
                if node.beside or node.outside:
                    x, mask = (each[0] if node.single else each[: len(node.inputs)] for each in (x, mask))
                kind: type = type(layer)
                # A mask that the user gave goes to `call`. As in Keras 2.2.5, the output's mask follows from the mask that came.
                if hasattr(layer, "call_masked") and "mask" not in node.arguments:
                    fixed = node.training
                    y, made = self.call_masked(node, x, mask, training if fixed is None else fixed)
                else:
                    arguments: dict[str, Any] = {"training": training} if passes else {}
                    if takes_mask(kind) and _any(mask) and "mask" not in node.arguments:
                        arguments["mask"] = mask
                    y, made = call(given, **arguments), layer.compute_mask(x, mask)
                if isinstance(target, int):
                    values[target] = y
                    masks[target] = made[0] if isinstance(made, list) else made
                else:
                    for i, value, each in zip(target, y, as_many(made, len(target))):
                        values[i], masks[i] = value, each
        except Exception as error:
            if given is not None:  # else the caller gave no input
                self._say_where(error, call, given)
            raise
        outputs = Outputs(values[i] for i in self.outputs)
        outputs.masks = [masks[i] for i in self.outputs]
        return outputs

    def call_masked(self, node: Node, x: Value, mask: Mask, training: bool) -> tuple[Value, Mask]:
        """Of a model: outputs and their masks."""
        call = node.layer.call_masked  # type: ignore[attr-defined]
        found: tuple[Value, Mask] = call_within(node, call, x, mask, training, frozen=self.frozen)
        return found


class RepeatingPlan(MaskedPlan):
    """A plan for a graph in which a layer computes calls of others again, which then draw the same numbers (`plan_kind`).

    Args:
        again: This is the plan of such a layer, whose nodes stand in the plan around it, too.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        inputs: Sequence[Symbolic],
        outputs: Sequence[Symbolic],
        *,
        frozen: bool = False,
        again: bool = False,
    ) -> None:
        super().__init__(nodes, inputs, outputs, frozen=frozen)
        self._again = again
        self.steps = [
            (functools.partial(_drawing_call, node, call), passes, source, target)
            for node, (call, passes, source, target) in zip(self.nodes, self.steps)
        ]

    def run(self, inputs: Sequence[Value], given_masks: Sequence[Mask], training: bool) -> Outputs:
        return drawing(self._run_again if self._again else super().run, inputs, given_masks, training)

    def call_masked(self, node: Node, x: Value, mask: Mask, training: bool) -> tuple[Value, Mask]:
        return drawn().call(node, super().call_masked, node, x, mask, training)

    def _run_again(self, inputs: Sequence[Value], given: Sequence[Mask], training: bool) -> Outputs:
        return drawn().again(super().run, inputs, given, training)


def plan_kind(nodes: Sequence[Node], *, masked: bool) -> type[Plan]:
    """The plan that runs such nodes. masked: masks go beside the values."""
    if any(node.layer.layers_read or node.again is not None for node in nodes):
        return RepeatingPlan
    return MaskedPlan if masked else Plan


def _drawing_call(node: Node, call: Callable[..., Value], x: Value, **named: Any) -> Value:
    return drawn().call(node, call, x, **named)


def _at(slots: list[Any], source: int | tuple[int, ...]) -> Any:
    return slots[source] if isinstance(source, int) else [slots[i] for i in source]


def _any(mask: Mask) -> bool:
    return any(m is not None for m in mask) if isinstance(mask, list) else mask is not None
