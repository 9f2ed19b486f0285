"""Embedding. Source: Keras 2.2.5 keras/layers/embeddings.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.configurable import Spec
from lamella.core.graphs import accepts_symbolic
from lamella.core.registry import register
from lamella.core.shapes import Dim, Shape, as_shape
from lamella.core.types import Array, Value
from lamella.layers.arguments import KernelLayer, positive
from lamella.layers.keras1 import keras1_names
from lamella.ops.tape import value_of

# From here on float32 holds not every whole number.
_FLOAT32_EXACT = 2**24


@accepts_symbolic("masks")
def not_zero(inputs: Value) -> Any:
    """Where another number than 0 stands, bool."""
    return np.asarray(value_of(inputs)) != 0


@register("layers")
@keras1_names(
    dropped=("dropout",),
    init="embeddings_initializer",
    W_regularizer="embeddings_regularizer",
    W_constraint="embeddings_constraint",
)
class Embedding(KernelLayer, self_contained=True):
    """Replaces integers by trained vectors, the rows of a table.

    Shapes:
        x [N, ...], embeddings [input_dim, output_dim] -> [N, ..., output_dim].

    The inputs are integers, or floats whose fraction is dropped. The gradient is that of the whole table: a row that occurs
    several times gets the sum, and optimizers with moments also change rows that do not occur, as in Keras. The time of a step
    with SGD without momentum, or with Adagrad, depends only on the rows of the batch. With a regularizer, clipping by norm or
    accumulated gradients it depends on the whole table.

    Args:
        input_dim: Number of rows of the table. Inputs are smaller.
        output_dim: Length of the vectors.
        mask_zero: Whether inputs of 0 are masked.
        input_length: Size of the axis after the batch, or a tuple of the sizes of all such axes, None if a size is unknown. It
            determines the input shape of a first layer.

    Raises:
        ValueError: In a call, if an input is outside [0, input_dim), or the inputs have another length than input_length.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Spec = "uniform",
        embeddings_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        embeddings_constraint: Spec = None,
        mask_zero: bool = False,
        input_length: int | Sequence[int | None] | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs:
            kwargs["input_shape"] = (None,) if input_length is None else as_shape(input_length)
        super().__init__(**kwargs)
        self.input_dim = positive(input_dim, "input_dim", self.name)
        self.output_dim = output_dim
        self.embeddings_initializer = embeddings_initializer
        self.embeddings_regularizer = embeddings_regularizer
        self.activity_regularizer = activity_regularizer
        self.embeddings_constraint = embeddings_constraint
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.input_length = as_shape(input_length) if isinstance(input_length, (list, tuple)) else input_length

    @property
    def makes_masks(self) -> bool:
        return self.mask_zero

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.add_weight("embeddings", (self.input_dim, self.output_dim))
        self.built = True

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        return not_zero(inputs) if self.mask_zero else None

    def call(self, inputs: Value) -> Value:
        if self.input_length is not None:
            self._lengths(inputs.shape)
        return ops.take(self.embeddings, indices=self._indices(np.asarray(value_of(inputs))))

    def _indices(self, numbers: Array) -> Array:
        """The numbers as integers. Raises ValueError for one that is no row of the table."""
        # NaN fails both comparisons.
        if numbers.size and not (numbers.min() > -1 and numbers.max() < self.input_dim):
            wrong = numbers[~((numbers > -1) & (numbers < self.input_dim))]
            raise ValueError(f"Layer {self.name}: expected numbers in [0, {self.input_dim}), its input_dim, got {wrong[0]:g}")
        if numbers.dtype == np.float32 and numbers.size and numbers.max() >= _FLOAT32_EXACT:
            raise ValueError(
                f"Layer {self.name}: float32 holds whole numbers up to {_FLOAT32_EXACT} only, got {numbers.max():.0f}; give the "
                "layer, or the Input, dtype='int32'"
            )
        return numbers.astype(np.int64)

    def _lengths(self, shape: Shape) -> list[Dim]:
        """The sizes after the batch, from input_length and the inputs' shape."""
        wanted = as_shape(self.input_length)
        came = shape[1:]
        if len(wanted) != len(came) or any(None not in (w, c) and w != c for w, c in zip(wanted, came)):
            raise ValueError(
                f'Layer {self.name}: "input_length" is {self.input_length}, but received input has shape {tuple(shape)}'
            )
        return [c if w is None else w for w, c in zip(wanted, came)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = input_shape[1:] if self.input_length is None else self._lengths(input_shape)
        return (input_shape[0], *sizes, self.output_dim)
