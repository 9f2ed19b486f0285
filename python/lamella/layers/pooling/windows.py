"""Pooling over windows. Source: Keras 2.2.5 keras/layers/pooling.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape, window_length
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, spatial, to_first, to_last, with_spatial
from lamella.layers.keras1 import keras1_names
from lamella.ops import avg_pool2d, max_pool2d


class _Pooling2D(KernelLayer, self_contained=True):
    """Windows of pool_size at strides (default: pool_size). [N, H, W, C] -> [N, P, Q, C], either data_format."""

    input_spec = InputSpec(ndim=4)
    rank = 2

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = pool_size if strides is None else strides
        self.padding = padding
        self.data_format = data_format

    def pool(self, x: Value) -> Value:
        raise NotImplementedError

    def call(self, inputs: Value) -> Value:
        if self.data_format == "channels_first":
            return to_first(self.pool(to_last(inputs)))
        return self.pool(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(
            window_length(size, window, stride, self.padding)
            for size, window, stride in zip(spatial(input_shape, self.data_format), self.pool_size, self.strides)
        )
        if 0 in sizes:
            raise ValueError(
                f"Layer {self.name}: the window {self.pool_size} is larger than the input {input_shape}; "
                f"the output would be empty"
            )
        channels = input_shape[channel_axis(self.data_format)]
        return with_spatial(input_shape[0], sizes, channels, self.data_format)


@register("layers", "MaxPool2D")
@keras1_names()
class MaxPooling2D(_Pooling2D, self_contained=True):
    """Maximum of each window; padding never wins."""

    def pool(self, x: Value) -> Value:
        return max_pool2d(x, size=self.pool_size, strides=self.strides, padding=self.padding)


@register("layers", "AvgPool2D")
@keras1_names()
class AveragePooling2D(_Pooling2D, self_contained=True):
    """Mean of each window; padding is not counted."""

    def pool(self, x: Value) -> Value:
        return avg_pool2d(x, size=self.pool_size, strides=self.strides, padding=self.padding)


MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
