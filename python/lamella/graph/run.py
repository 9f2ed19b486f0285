"""Computes a part of a graph between given tensors, outside of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.atomic import Scope
from lamella.core.graphs import SymbolOutside
from lamella.core.phase import current
from lamella.core.pool import in_pool
from lamella.core.types import Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.graph.added_losses import emptied
from lamella.graph.masked_plan import plan_kind
from lamella.graph.plan import Plan
from lamella.graph.run_losses import running
from lamella.graph.symbolic import Symbolic
from lamella.graph.trace import calls_between, held_values
from lamella.ops.tape import value_of


class GraphRun:
    """A function (values of inputs, training=False, updates=None) -> values of outputs.

    Inputs of the graph that have their own value use it if they are not among `inputs`. No state changes: updates that calls
    make are added to `updates`.

    Args:
        inputs: Symbolic tensors.
        outputs: Symbolic tensors.

    Raises:
        ValueError: An output needs a tensor that does not come from `inputs`.
    """

    def __init__(self, inputs: Sequence[Symbolic], outputs: Sequence[Symbolic]) -> None:
        self._inputs, self._outputs = list(inputs), list(outputs)
        self._plan: Plan | None = None
        self._make_plan()

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy makes its plan at its first use, when the nodes are complete.
        return object.__new__, (type(self),), {"_inputs": self._inputs, "_outputs": self._outputs, "_plan": None}

    def _make_plan(self) -> Plan:
        inputs, outputs = self._inputs, self._outputs
        nodes = calls_between(inputs, outputs)
        held = {x: value for x, value in held_values(nodes).items() if all(x is not given for given in inputs)}
        plan = self._plan = plan_kind(nodes, masked=True)(nodes, [*inputs, *held], outputs)
        self._held = list(held.values())
        self._emptied = emptied([node.layer for node in plan.nodes])
        return plan

    def __call__(self, values: Sequence[Any], training: bool = False, updates: Updates | None = None) -> list[Value]:
        plan, noted = self._plan or self._make_plan(), Updates() if updates is None else updates
        scope = Scope((current, "training", training), (pending, "updates", noted), (running, "calls", ()), *self._emptied())
        try:
            return [value_of(y) for y in in_pool(scope.run, plan, [*values, *map(value_of, self._held)], training)]
        except SymbolOutside as error:
            self._plan_outside(plan, error)
            noted.clear()
            return self(values, training, updates)
        finally:
            for node in plan.nodes:
                for layer in node.layer.members():
                    layer.forget_losses()

    def _plan_outside(self, plan: Plan, error: SymbolOutside) -> None:
        """Let the next plan give a call the tensors that it reads from outside. Raises the error if it did so already."""
        if error.node not in plan.nodes or not error.node.reads_more(error.tensors):
            raise error
        self._make_plan()

    def within(self, values: Sequence[Value] = ()) -> list[Value]:
        """The outputs in the current run, recorded by its tape."""
        plan = self._plan or self._make_plan()
        return list(Scope((running, "calls", ())).run(plan, [*values, *self._held], current.training))
