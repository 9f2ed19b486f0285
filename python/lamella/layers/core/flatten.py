"""Flatten. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape, count
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.ops import reshape, transpose


@register("layers")
class Flatten(KernelLayer, self_contained=True):
    """[N, ...] -> [N, product].

    channels_first inputs are brought to channels_last first, so the rows of a Dense above lie in H, W, C order
    whatever the format (weights files rely on it).
    """

    input_spec = InputSpec(min_ndim=3)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format

    def call(self, inputs: Value) -> Value:
        ndim = len(inputs.shape)
        if self.data_format == "channels_first" and ndim > 2:
            inputs = transpose(inputs, axes=(0, *range(2, ndim), 1))
        return reshape(inputs, shape=(inputs.shape[0], -1))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = [d for d in input_shape[1:] if d is not None]
        if len(sizes) < len(input_shape) - 1:
            raise ValueError(
                f'The shape of the input to "Flatten" is not fully defined (got {input_shape[1:]}). Make sure to pass a '
                f'complete "input_shape" or "batch_input_shape" argument to the first layer in your model.'
            )
        return (input_shape[0], count(sizes))
