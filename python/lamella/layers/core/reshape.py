"""Reshape. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape, as_shape, count
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.ops import reshape


@register("layers")
class Reshape(Layer, self_contained=True):
    """[N, ...] -> [N, *target_shape].

    Args:
        target_shape: Shape of the output without the batch axis; one entry may be -1.
    """

    takes_lists = False

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(target_shape, (list, tuple)) or not all(hasattr(d, "__index__") for d in target_shape):
            raise ValueError(f"Layer {self.name}: expected a shape of integers for target_shape, got {target_shape!r}")
        self.target_shape = tuple(int(d) for d in target_shape)
        if sum(d == -1 for d in self.target_shape) > 1:
            raise ValueError(f"Layer {self.name}: can only specify one unknown dimension, got {self.target_shape}")

    def call(self, inputs: Value) -> Value:
        return reshape(inputs, shape=(inputs.shape[0], *self.target_shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        known = count([d for d in self.target_shape if d != -1])
        sizes = input_shape[1:]
        if any(d is None for d in sizes):
            return (input_shape[0], *(None if d == -1 else d for d in self.target_shape))
        total = count(as_shape(sizes))  # type: ignore[arg-type]
        fits = total % known == 0 if known and -1 in self.target_shape else total == known
        if not fits:
            raise ValueError(
                f"total size of new array must be unchanged: layer {self.name} cannot reshape {sizes} to {self.target_shape}"
            )
        return (input_shape[0], *(total // known if d == -1 else d for d in self.target_shape))
