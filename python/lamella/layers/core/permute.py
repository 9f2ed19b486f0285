"""Permute. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer


@register("layers")
class Permute(KernelLayer, self_contained=True):
    """The axes of each sample in another order; the batch stays.

    Args:
        dims: Axis i of the result is axis dims[i - 1] of the input; 1 is the first one after the batch.

    Raises:
        ValueError: dims does not hold each of 1, 2 ... once. Keras 2.2.5 does not check it.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        numbers: list[Any] = list(dims) if isinstance(dims, (list, tuple)) else [None]
        if sorted(numbers, key=str) != sorted(range(1, len(numbers) + 1), key=str):
            raise ValueError(f"Layer {self.name}: expected dims to hold each of 1, 2 ... once, got {dims!r}")
        self.dims: tuple[int, ...] = tuple(numbers)
        self.input_spec = InputSpec(ndim=len(numbers) + 1)

    def call(self, inputs: Value) -> Value:
        return ops.transpose(inputs, axes=(0, *self.dims))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))
