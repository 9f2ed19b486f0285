"""Cutting the ends off steps, images and volumes. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.conv.sides import Sides, SidesLayer
from lamella.layers.keras1 import keras1_names
from lamella.ops import getitem


class _Cropping(SidesLayer, self_contained=True):
    cropping: Any

    def pairs(self) -> tuple[tuple[int, int], ...]:
        return (self.cropping,) if self.rank == 1 else self.cropping

    def call(self, inputs: Value) -> Value:
        self.compute_output_shape(inputs.shape)
        ends = zip(inputs.shape, self.all_axes(), strict=True)
        return getitem(inputs, key=tuple(slice(before, n - after) for n, (before, after) in ends))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Raises ValueError if nothing is left of an axis; Keras 2.2.5 makes an empty tensor."""
        sizes = zip(input_shape, self.all_axes(), strict=True)
        shape = tuple(None if n is None else n - sum(pair) for n, pair in sizes)
        if any(n is not None and n < 1 for n in shape[1:]):
            raise ValueError(f"Layer {self.name}: cropping={self.cropping} leaves nothing of the input {tuple(input_shape)}")
        return shape


@register("layers")
class Cropping1D(_Cropping, self_contained=True):
    """Cut steps off: [N, T, C] -> [N, T - before - after, C].

    Args:
        cropping: The number for both ends, or (before, after).
    """

    rank = 1
    input_spec = InputSpec(ndim=3)

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = cropping


@register("layers")
@keras1_names()
class Cropping2D(_Cropping, self_contained=True):
    """Cut rows and columns off images [N, H, W, C], or [N, C, H, W] with channels_first.

    Args:
        cropping: The number for all sides, (rows, columns), or ((top, bottom), (left, right)).
    """

    rank = 2
    input_spec = InputSpec(ndim=4)

    def __init__(self, cropping: Sides = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = cropping
        self.data_format = data_format


@register("layers")
@keras1_names()
class Cropping3D(_Cropping, self_contained=True):
    """Cut the ends of the three axes off volumes [N, D, H, W, C], or [N, C, D, H, W] with channels_first.

    Args:
        cropping: The number for all sides, one for each axis, or (before, after) of each axis.
    """

    rank = 3
    input_spec = InputSpec(ndim=5)

    def __init__(self, cropping: Sides = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = cropping
        self.data_format = data_format
