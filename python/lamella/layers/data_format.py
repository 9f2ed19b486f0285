"""channels_first at the edge of a layer: kernels see the channels last only."""

from __future__ import annotations

from lamella.core.shapes import Dim, Shape
from lamella.core.types import Value
from lamella.ops import transpose


def to_last(x: Value) -> Value:
    """[N, C, ...] -> [N, ..., C]."""
    return transpose(x, axes=(0, *range(2, len(x.shape)), 1))


def to_first(x: Value) -> Value:
    """[N, ..., C] -> [N, C, ...]."""
    return transpose(x, axes=(0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))


def channel_axis(data_format: str) -> int:
    return 1 if data_format == "channels_first" else -1


def spatial(shape: Shape, data_format: str) -> Shape:
    """(H, W) of an image batch's shape; the sizes of all axes between batch and channels."""
    return shape[2:] if data_format == "channels_first" else shape[1:-1]


def with_spatial(batch: Dim, sizes: Shape, channels: Dim, data_format: str) -> Shape:
    return (batch, channels, *sizes) if data_format == "channels_first" else (batch, *sizes, channels)
