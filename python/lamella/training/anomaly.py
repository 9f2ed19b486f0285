"""Finds the cause of a loss that is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.protocols import TrainableModel
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.ops.tape import value_of


def warn_of_loss(model: TrainableModel, inputs: Sequence[Array], loss: float, batch: int) -> None:
    """Give a RuntimeWarning that names the batch and the first layer at fault, before the update makes all weights NaN.

    Args:
        model: The model, with the weights that gave the loss.
        inputs: The batch.
        loss: The loss, which is not finite.
        batch: Index of the batch in its epoch.
    """
    warn(
        f"the loss of batch {batch} is {loss}: {_cause(model, inputs)}. TerminateOnNaN ends training at such a batch.",
        RuntimeWarning,
    )


def _cause(model: TrainableModel, inputs: Sequence[Array]) -> str:
    for name, array in zip(model.input_names, inputs):
        if not np.isfinite(array).all():
            return f"input '{name}' has values that are not finite"
    with np.errstate(all="ignore"):
        outputs = model.run_inside(inputs)
    for layer in model.layers:
        bad = [weight.name for weight in layer.weights if not np.isfinite(weight.value).all()]
        if bad:
            return f"the first layer at fault is '{layer.name}', whose weight {bad[0]} is not finite"
        output: Any = value_of(outputs.get(layer.name))
        if output is not None and not np.isfinite(output).all():
            return f"the first layer at fault is '{layer.name}', whose output is not finite"
    return "every layer's output is finite in inference, so look at the loss, the targets and their weights"
