"""Zeros around steps, images and volumes. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.input_spec import InputSpec
from lamella.layers.conv.sides import Sides, SidesLayer
from lamella.layers.keras1 import keras1_names
from lamella.ops import pad


class _ZeroPadding(SidesLayer, self_contained=True):
    padding: Any

    def pairs(self) -> tuple[tuple[int, int], ...]:
        return (self.padding,) if self.rank == 1 else self.padding

    def call(self, inputs: Value) -> Value:
        return pad(inputs, widths=self.all_axes())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        widths = self.all_axes()
        return tuple(None if n is None else n + sum(pair) for n, pair in zip(input_shape, widths, strict=True))


@register("layers")
class ZeroPadding1D(_ZeroPadding, self_contained=True):
    """Zeros before and after the steps: [N, T, C] -> [N, before + T + after, C].

    Args:
        padding: The number for both ends, or (before, after).
    """

    rank = 1
    input_spec = InputSpec(ndim=3)

    def __init__(self, padding: int | Sequence[int] = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding


@register("layers")
@keras1_names()
class ZeroPadding2D(_ZeroPadding, self_contained=True):
    """Zeros around images [N, H, W, C], or [N, C, H, W] with channels_first.

    Args:
        padding: The number for all sides, (rows, columns), or ((top, bottom), (left, right)); Keras 1's dict of "top_pad",
            "bottom_pad", "left_pad" and "right_pad" is taken with a warning.
    """

    rank = 2
    input_spec = InputSpec(ndim=4)

    def __init__(self, padding: Sides = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding
        self.data_format = data_format

    def resolve(self, names: Sequence[str]) -> None:
        if "padding" in names and isinstance(self.padding, Mapping):
            self.padding = _in_pairs(self.padding)
        super().resolve(names)


def _in_pairs(padding: Mapping[str, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    known = ("top_pad", "bottom_pad", "left_pad", "right_pad")
    if not set(padding) <= set(known):
        raise ValueError(f"Unexpected key found in `padding` dictionary: expected {', '.join(known)}, got {padding}")
    top, bottom, left, right = (padding.get(side, 0) for side in known)
    warn(
        "The `padding` argument in the Keras 2 API no longer accepts dict types. "
        f"You can now input argument as: `padding={((top, bottom), (left, right))}`."
    )
    return (top, bottom), (left, right)


@register("layers")
@keras1_names()
class ZeroPadding3D(_ZeroPadding, self_contained=True):
    """Zeros around volumes [N, D, H, W, C], or [N, C, D, H, W] with channels_first.

    Args:
        padding: The number for all sides, one for each axis, or (before, after) of each axis.
    """

    rank = 3
    input_spec = InputSpec(ndim=5)

    def __init__(self, padding: Sides = (1, 1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = padding
        self.data_format = data_format
