"""Pooling over all places of sequences, images and volumes. Source: Keras 2.2.5 keras/layers/pooling.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, to_last
from lamella.layers.keras1 import keras1_names
from lamella.ops import cast, divide, global_avg_pool, global_max_pool, multiply, reshape
from lamella.ops import sum as sum_


class _GlobalPooling(KernelLayer, self_contained=True):
    """[N, ..., C] -> [N, C], either data_format."""

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format

    def pool(self, x: Value) -> Value:
        """The pooling of a channels-last x."""
        raise NotImplementedError

    def call(self, inputs: Value) -> Value:
        return self.pool(to_last(inputs) if self.data_format == "channels_first" else inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[channel_axis(self.data_format)])


class _GlobalPooling1D(_GlobalPooling, self_contained=True):
    input_spec = InputSpec(ndim=3)

    def __init__(self, data_format: str = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)


class _GlobalPooling2D(_GlobalPooling, self_contained=True):
    input_spec = InputSpec(ndim=4)


class _GlobalPooling3D(_GlobalPooling, self_contained=True):
    input_spec = InputSpec(ndim=5)


@register("layers", "GlobalAvgPool1D")
@keras1_names()
class GlobalAveragePooling1D(_GlobalPooling1D, self_contained=True):
    """Mean over the steps: [N, T, C] -> [N, C].

    With a mask [N, T] only the steps count where it is True; a sample without such a step gives NaN. The output has no mask. Unlike
    in Keras 2.2.5, the mask belongs to the steps also with channels_first, and a mask of another shape, which Keras broadcasts,
    raises ValueError.
    """

    supports_masking = True

    def call(self, inputs: Value, mask: Value | None = None) -> Value:
        steps = to_last(inputs) if self.data_format == "channels_first" else inputs
        if mask is None:
            return global_avg_pool(steps)
        if tuple(mask.shape) != tuple(steps.shape[:2]):
            raise ValueError(
                f"Layer {self.name}: expected a mask of shape {tuple(steps.shape[:2])}, (samples, steps), got {tuple(mask.shape)}"
            )
        counts = reshape(cast(mask, dtype=str(steps.dtype)), shape=(*mask.shape, 1))
        with np.errstate(invalid="ignore"):
            return divide(sum_(multiply(steps, counts), axis=1), sum_(counts, axis=1))

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        return None


@register("layers", "GlobalAvgPool2D")
@keras1_names()
class GlobalAveragePooling2D(_GlobalPooling2D, self_contained=True):
    """Mean of each map."""

    def pool(self, x: Value) -> Value:
        return global_avg_pool(x)


@register("layers", "GlobalAvgPool3D")
@keras1_names()
class GlobalAveragePooling3D(_GlobalPooling3D, self_contained=True):
    """Mean of each map of volumes."""

    def pool(self, x: Value) -> Value:
        return global_avg_pool(x)


@register("layers", "GlobalMaxPool1D")
@keras1_names()
class GlobalMaxPooling1D(_GlobalPooling1D, self_contained=True):
    """Maximum over the steps: [N, T, C] -> [N, C]."""

    def pool(self, x: Value) -> Value:
        return global_max_pool(x)


@register("layers", "GlobalMaxPool2D")
@keras1_names()
class GlobalMaxPooling2D(_GlobalPooling2D, self_contained=True):
    """Maximum of each map."""

    def pool(self, x: Value) -> Value:
        return global_max_pool(x)


@register("layers", "GlobalMaxPool3D")
@keras1_names()
class GlobalMaxPooling3D(_GlobalPooling3D, self_contained=True):
    """Maximum of each map of volumes."""

    def pool(self, x: Value) -> Value:
        return global_max_pool(x)


GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
