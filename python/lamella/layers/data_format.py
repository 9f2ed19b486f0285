"""channels_first at the edge of a layer: kernels see the channels last only."""

from __future__ import annotations

from lamella.core.shapes import Dim, Shape
from lamella.ops.data_format import to_first as to_first
from lamella.ops.data_format import to_last as to_last


def channel_axis(data_format: str) -> int:
    return 1 if data_format == "channels_first" else -1


def spatial(shape: Shape, data_format: str) -> Shape:
    """(H, W) of an image batch's shape; the sizes of all axes between batch and channels."""
    return shape[2:] if data_format == "channels_first" else shape[1:-1]


def with_spatial(batch: Dim, sizes: Shape, channels: Dim, data_format: str) -> Shape:
    return (batch, channels, *sizes) if data_format == "channels_first" else (batch, *sizes, channels)
