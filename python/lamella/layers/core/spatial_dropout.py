"""SpatialDropout1D, 2D and 3D. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.core.dropout import Dropout
from lamella.layers.keras1 import keras1_names


class _SpatialDropout(Dropout, KernelLayer):
    """Dropout of whole maps: an element of the mask for each sample and channel. A noise_shape counts for nothing, as in Keras."""

    rank: int

    @property
    def mask_shape(self) -> Shape:
        whole = (1,) * self.rank
        return (None, None, *whole) if self.data_format == "channels_first" else (None, *whole, None)


@register("layers")
@keras1_names(p="rate")
class SpatialDropout1D(_SpatialDropout, self_contained=True):
    """Dropout that zeroes whole rows of steps: x [N, T, C], mask [N, 1, C]. Takes Dropout's `seed`, too."""

    rank = 1
    input_spec = InputSpec(ndim=3)
    data_format = "channels_last"

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)


@register("layers")
@keras1_names(p="rate")
class SpatialDropout2D(_SpatialDropout, self_contained=True):
    """Dropout that zeroes whole maps: x [N, H, W, C], mask [N, 1, 1, C]; channels_first accordingly. Takes Dropout's `seed`, too.

    Deviation from Keras 2.2.5: the config holds data_format.
    """

    rank = 2
    input_spec = InputSpec(ndim=4)

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = data_format


@register("layers")
@keras1_names(p="rate")
class SpatialDropout3D(_SpatialDropout, self_contained=True):
    """Dropout that zeroes whole maps: x [N, D, H, W, C], mask [N, 1, 1, 1, C]; else as SpatialDropout2D."""

    rank = 3
    input_spec = InputSpec(ndim=5)

    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.data_format = data_format
