"""K: what speaks of a graph of values. There is none here: values are computed at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.phase import current
from lamella.core.pool import in_pool
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.graph.checked import as_tensor
from lamella.graph.connect import in_graphs
from lamella.graph.masked_plan import MaskedPlan
from lamella.graph.symbolic import Symbolic
from lamella.graph.trace import check_ends, trace
from lamella.ops.tape import value_of

__all__ = ["function", "placeholder", "stop_gradient"]


@in_graphs
def stop_gradient(variables: Value | Sequence[Value]) -> Value:
    """The value as a constant; of a list, a list."""
    if isinstance(variables, (list, tuple)):
        return [stop_gradient(x) for x in variables]
    return np.asarray(value_of(as_tensor(variables, "variables")))


def function(
    inputs: Sequence[Any], outputs: Symbolic | Sequence[Symbolic], updates: Sequence[object] | None = None
) -> Callable[[Sequence[Any]], list[Array]]:
    """A function from a list of arrays to a list of arrays: what the layers between `inputs` and `outputs` compute.

    Args:
        inputs: A model's inputs; K.learning_phase() among them stands for a 0 or 1 in the lists that the function takes.
        outputs: Symbolic tensors that layers made of the inputs.
        updates: None or an empty list, as K.update and related functions act at once.

    Raises:
        ValueError: For outputs that need other inputs, or updates.
    """
    if updates:
        raise ValueError("K.function: expected no updates, as there is no graph that would run them; call K.update instead")
    places = [i for i, x in enumerate(inputs) if isinstance(x, Symbolic)]
    phases = [i for i, x in enumerate(inputs) if isinstance(x, int)]
    if len(places) + len(phases) != len(inputs) or len(phases) > 1:
        raise ValueError(f"K.function: expected inputs of a model, and at most one K.learning_phase(), got {list(inputs)}")
    results = [outputs] if isinstance(outputs, Symbolic) else list(outputs)
    sources = [inputs[i] for i in places]
    check_ends(sources, results)
    plan = MaskedPlan(trace(sources, results).nodes, sources, results)

    def run(values: Sequence[Any]) -> list[Array]:
        if len(values) != len(inputs):
            raise ValueError(f"K.function: expected {len(inputs)} values, got {len(values)}")
        arrays = [np.asarray(values[i], inputs[i].dtype) for i in places]
        training = any(bool(values[i]) for i in phases)
        # No state moves: what calls note is dropped.
        scope = Scope((current, "training", training), (pending, "updates", Updates()))
        try:
            return [np.array(value_of(y)) for y in in_pool(scope.run, plan, arrays, training)]
        finally:
            for node in plan.nodes:
                for layer in node.layer.members():
                    layer.forget_losses()

    return run


def placeholder(
    shape: object = None, ndim: object = None, dtype: object = None, sparse: object = False, name: object = None
) -> NoReturn:
    """Raises NotImplementedError: use Input."""
    raise NotImplementedError("K.placeholder: a tensor without a value is made by lamella.layers.Input; K works on values")
