"""The compiled loss of a model as tensors of the graph: what `total_loss` and the related attributes of a model are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.config import floatx
from lamella.core.configurable import Config
from lamella.core.shapes import Shape, TensorShape
from lamella.core.types import Value
from lamella.graph.connect import connect
from lamella.graph.input import Placeholder
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic, mask_of
from lamella.models.target_tensors import as_y_true
from lamella.ops.tape import value_of
from lamella.training.output import Output
from lamella.training.shares import Rule, row_shares


@dataclass
class LossTensors:
    """Symbolic tensors of one compile.

    Attributes:
        targets: For each output of the model the placeholder of its y; None for an output without a loss.
        sample_weights: The placeholders of the sample weights, in the same form.
        losses: For each output with a loss its loss without its factor, a scalar.
        total: The loss that fit minimizes, a scalar.
    """

    targets: list[Symbolic | None]
    sample_weights: list[Symbolic | None]
    losses: list[Symbolic]
    total: Symbolic


class WeightedMean(Layer, self_contained=True):
    """The weighted mean of samples' losses, see `row_shares`; called on [losses, weights] or [losses, weights, mask]."""

    supports_masking = True
    makes_masks = False

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def call(self, inputs: Any) -> Value:
        losses, weights, *masks = inputs
        mask = value_of(masks[0]) if masks else None
        return ops.sum(ops.multiply(losses, row_shares(value_of(weights), np.asarray(value_of(losses)), mask, self.rule)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    def get_config(self) -> Config:
        raise NotImplementedError(f"Layer {self.name}: total_loss cannot be saved with a graph; save the compiled model")


def loss_tensors(outputs: Sequence[Symbolic], trained: Sequence[Output], losses: Sequence[Any], who: str) -> LossTensors:
    """The placeholders of a compiled model, and its loss.

    Each loss function is called once, on symbolic tensors, as in Keras.

    Args:
        outputs: The model's outputs.
        trained: Those that have a loss.
        losses: `losses` of the model: tensors and numbers that are added.
        who: The model, for messages.

    Raises:
        TypeError: A loss function does not compute with symbolic tensors; or a layer's compute_mask does not.
    """
    targets: list[Symbolic | None] = [None] * len(outputs)
    weights: list[Symbolic | None] = [None] * len(outputs)
    of_outputs: list[Any] = []
    total: Any = None
    for output in trained:
        y = outputs[output.index]
        if output.target is None:
            target, rows = _rows(output, y, who)
        else:
            target, rows = output.target, output.rows(output.target if output.fed else as_y_true(output.target, y), y)
        weight = _placeholder((None,) * (2 if output.mode == "temporal" else 1), floatx(), f"{output.name}_sample_weights")
        targets[output.index], weights[output.index] = target, weight
        # A constant gets an axis of samples, because a layer is called on tensors.
        each = rows if isinstance(rows, Symbolic) else connect("add", connect("multiply", weight, 0), rows)
        read = [each, weight, mask_of(y)]
        of_outputs.append(WeightedMean(output.rule)([x for x in read if x is not None]))
        loss = output.weight * of_outputs[-1]
        total = loss if total is None else total + loss
    for added in losses:
        total = added if total is None else total + added
    return LossTensors(targets, weights, of_outputs, total)


def _placeholder(shape: Shape, dtype: str, name: str) -> Symbolic:
    return Placeholder(batch_input_shape=shape, dtype=dtype, name=name).input


def _rows(output: Output, y: Symbolic, who: str) -> tuple[Symbolic, Any]:
    """A placeholder for y_true, and the losses of samples.

    A loss has no rule for the shape of its y. So it is called with the shapes that usual losses expect until one fits; after
    that the sizes of the placeholder are unknown, as in Keras.
    """
    shape = tuple(y.shape)
    likely = [shape, (*shape[:-1], 1), (None,) * len(shape)]
    if output.loss_name is not None and output.loss_name.startswith("sparse"):
        likely.insert(0, likely.pop(1))
    first: Exception | None = None
    for guess in likely:
        target = _placeholder(guess, y.dtype, f"{output.name}_target")
        try:
            rows = output.rows(target, y)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            first = first or error
            continue
        target.shape = TensorShape([None] * len(shape))
        if not isinstance(rows, (Symbolic, np.ndarray, float, int)):
            first = TypeError(f"it returned {type(rows).__name__}")
            break
        return target, rows
    raise TypeError(
        f"{who}: the loss of '{output.name}' does not compute with symbolic tensors, which total_loss consists of: {first}. Write "
        "it with functions of lamella.backend; or use gradients_on_batch, which calls it with arrays"
    ) from first
