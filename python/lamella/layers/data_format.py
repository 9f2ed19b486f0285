"""channels_first at the edge of a layer: kernels see NHWC only."""

from __future__ import annotations

from lamella.core.shapes import Dim, Shape
from lamella.core.types import Value
from lamella.ops import transpose

_NCHW_TO_NHWC = (0, 2, 3, 1)
_NHWC_TO_NCHW = (0, 3, 1, 2)


def to_last(x: Value) -> Value:
    """[N, C, H, W] -> [N, H, W, C]."""
    return transpose(x, axes=_NCHW_TO_NHWC)


def to_first(x: Value) -> Value:
    """[N, H, W, C] -> [N, C, H, W]."""
    return transpose(x, axes=_NHWC_TO_NCHW)


def channel_axis(data_format: str) -> int:
    return 1 if data_format == "channels_first" else -1


def spatial(shape: Shape, data_format: str) -> Shape:
    """(H, W) of an image batch's shape."""
    return shape[2:] if data_format == "channels_first" else shape[1:-1]


def with_spatial(batch: Dim, sizes: Shape, channels: Dim, data_format: str) -> Shape:
    return (batch, channels, *sizes) if data_format == "channels_first" else (batch, *sizes, channels)
