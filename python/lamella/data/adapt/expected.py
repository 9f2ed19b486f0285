"""What a model expects of its data, as plain data that the methods of the model pass to this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lamella.core.shapes import Shape


class ModelInputs(NamedTuple):
    """The inputs of a model, in order.

    Attributes:
        names: Their names.
        shapes: Their shapes, the batch axis included; None allows any length.
        dtypes: The dtypes to which arrays are converted.
        stateful: Whether a layer keeps a state from batch to batch, so that all batches must have the same size. Only runs of
            several batches use this field and the next.
        uses_learning_phase: Whether training and inference differ.
    """

    names: Sequence[str]
    shapes: Sequence[Shape]
    dtypes: Sequence[str]
    stateful: bool = False
    uses_learning_phase: bool = False


class ExpectedTarget(Protocol):
    """The facts about a trained output by which its targets and weights are checked.

    Attributes:
        name: Name of the output.
        layer: Name of the layer from which it comes; in dicts of data it stands for all outputs of the layer.
        shape: Shape of the output, the batch axis included.
        mode: None, or "temporal" for weights [N, T].
        loss_name: The name of a built-in loss; None for a custom loss, of which nothing is known about the y that it takes.
        fed: Whether y is among the data; otherwise the model computes it.
    """

    name: str
    layer: str
    shape: Shape
    mode: str | None
    loss_name: str | None
    fed: bool
