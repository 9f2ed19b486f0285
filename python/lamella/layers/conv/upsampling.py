"""More steps, rows and columns of what is there. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Config
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, spatial, to_first, to_last, with_spatial
from lamella.layers.keras1 import keras1_names
from lamella.ops import resize


class _UpSampling(KernelLayer, self_contained=True):
    """Base: `size` times as many places along each axis between batch and channels."""

    size: Any
    data_format: Any = "channels_last"
    interpolation: str = "nearest"
    half_pixel_centers = False

    def call(self, inputs: Value) -> Value:
        interpolation = "bilinear_half_pixel" if self.half_pixel_centers else self.interpolation
        factors = (self.size,) if self.rank == 1 else self.size
        if self.data_format == "channels_first":
            return to_first(resize(to_last(inputs), factors=factors, interpolation=interpolation))
        return resize(inputs, factors=factors, interpolation=interpolation)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        factors = (self.size,) if self.rank == 1 else self.size
        pairs = zip(spatial(input_shape, self.data_format), factors, strict=True)
        sizes = tuple(None if n is None else n * factor for n, factor in pairs)
        return with_spatial(input_shape[0], sizes, input_shape[channel_axis(self.data_format)], self.data_format)


@register("layers")
@keras1_names(length="size")
class UpSampling1D(_UpSampling, self_contained=True):
    """Each step `size` times: [N, T, C] -> [N, size*T, C]."""

    rank = 1
    input_spec = InputSpec(ndim=3)

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve(names)
        if "size" in names:
            (self.size,) = self.size  # an int in the config, as in Keras


@register("layers")
@keras1_names()
class UpSampling2D(_UpSampling, self_contained=True):
    """Images [N, H, W, C] -> [N, size[0]*H, size[1]*W, C]; [N, C, H, W] with channels_first.

    Args:
        size: One number, or (rows, columns).
        interpolation: "nearest" repeats each point; "bilinear" is that of `ops.resize`, TensorFlow 1's.
        half_pixel_centers: Whether "bilinear" reads at half-pixel centres, as tf.keras does. Files of tf.keras and Keras 3 set it.

    Raises:
        ValueError: The interpolation is unknown, or half_pixel_centers=True without "bilinear".
    """

    rank = 2
    input_spec = InputSpec(ndim=4)

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        *,
        half_pixel_centers: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.data_format = data_format
        self.interpolation = interpolation
        self.half_pixel_centers = half_pixel_centers

    def get_config(self) -> Config:
        config = super().get_config()
        if not config["half_pixel_centers"]:
            del config["half_pixel_centers"]  # Keras 2.2.5 does not have it
        return config

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve(names)
        if "interpolation" in names and self.interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f'Layer {self.name}: interpolation should be one of "nearest" or "bilinear". Received: {self.interpolation!r}'
            )
        if self.half_pixel_centers and self.interpolation != "bilinear":
            raise ValueError(
                f'Layer {self.name}: half_pixel_centers=True needs interpolation="bilinear", got {self.interpolation!r}'
            )


@register("layers")
@keras1_names()
class UpSampling3D(_UpSampling, self_contained=True):
    """Each point of volumes size[0]*size[1]*size[2] times: [N, D, H, W, C], or [N, C, D, H, W] with channels_first."""

    rank = 3
    input_spec = InputSpec(ndim=5)

    def __init__(self, size: int | Sequence[int] = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.data_format = data_format
