"""What a model expects of the data that it is given, as plain data that its methods hand down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from lamella.core.shapes import Shape


class ModelInputs(NamedTuple):
    """The inputs of a model, in order.

    Attributes:
        shapes: With the batch; None is free.
        dtypes: What arrays are converted to.
        stateful: Whether a layer carries something over from batch to batch, so that all batches have one size. Runs of
            several batches need it, and the next.
        uses_learning_phase: Whether training and inference differ.
    """

    names: Sequence[str]
    shapes: Sequence[Shape]
    dtypes: Sequence[str]
    stateful: bool = False
    uses_learning_phase: bool = False


class ExpectedTarget(Protocol):
    """A trained output, for who checks its targets and weights.

    Attributes:
        shape: Of the output, with the batch.
        mode: None, or "temporal" for weights [N, T].
    """

    name: str
    shape: Shape
    mode: str | None

    @property
    def loss_name(self) -> str | None:
        """The name of a loss of lamella's own; None for a user's, which decides on its own what targets it takes."""
        ...
