"""Pooling over whole maps. Source: Keras 2.2.5 keras/layers/pooling.py."""

from __future__ import annotations

from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, to_last
from lamella.layers.keras1 import keras1_names
from lamella.ops import global_avg_pool2d, global_max_pool2d


class _GlobalPooling2D(KernelLayer, self_contained=True):
    """[N, H, W, C] -> [N, C], either data_format."""

    input_spec = InputSpec(ndim=4)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format

    def pool(self, x: Value) -> Value:
        raise NotImplementedError

    def call(self, inputs: Value) -> Value:
        return self.pool(to_last(inputs) if self.data_format == "channels_first" else inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[channel_axis(self.data_format)])


@register("layers", "GlobalAvgPool2D")
@keras1_names()
class GlobalAveragePooling2D(_GlobalPooling2D, self_contained=True):
    """Mean of each map."""

    def pool(self, x: Value) -> Value:
        return global_avg_pool2d(x)


@register("layers", "GlobalMaxPool2D")
@keras1_names()
class GlobalMaxPooling2D(_GlobalPooling2D, self_contained=True):
    """Maximum of each map."""

    def pool(self, x: Value) -> Value:
        return global_max_pool2d(x)


GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
