"""K: windows over steps, images and volumes: convolution, pooling, and making them larger."""

from __future__ import annotations

from lamella import ops
from lamella.backend.products import packed
from lamella.core.config import normalize_data_format
from lamella.core.shapes import normalize_padding
from lamella.core.types import Value
from lamella.graph.connect import in_graphs

__all__ = ["conv2d", "pool2d", "resize_images", "resize_volumes"]


@in_graphs
def conv2d(
    x: Value,
    kernel: Value,
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: tuple[int, int] = (1, 1),
) -> Value:
    """kernel: [kh, kw, in, out] for both data formats."""
    first, padding = normalize_data_format(data_format) == "channels_first", normalize_padding(padding)
    x = _to_last(x) if first else x
    y = ops.conv2d(x, packed(kernel), None, strides=strides, dilation=dilation_rate, padding=padding, activation="linear")
    return _to_first(y) if first else y


@in_graphs
def pool2d(
    x: Value,
    pool_size: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Value:
    """pool_mode: "max" or "avg". Raises ValueError otherwise."""
    if pool_mode not in ("max", "avg"):
        raise ValueError(f'Invalid pool_mode: expected "max" or "avg", got {pool_mode!r}')
    padding = normalize_padding(padding)
    pool = ops.max_pool2d if pool_mode == "max" else ops.avg_pool2d
    first = normalize_data_format(data_format) == "channels_first"
    x = _to_last(x) if first else x
    y = pool(x, size=pool_size, strides=strides, padding=padding)
    return _to_first(y) if first else y


@in_graphs
def resize_images(x: Value, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest") -> Value:
    """Images with so many times as many rows and columns; `interpolation` as in `ops.resize`.

    Raises:
        ValueError: Another data format or interpolation; factors that are no positive integers.
    """
    return _resized(x, (height_factor, width_factor), data_format, interpolation)


@in_graphs
def resize_volumes(x: Value, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Value:
    """Volumes with so many times as many places along each axis, each of them repeated. Raises as `resize_images` does."""
    return _resized(x, (depth_factor, height_factor, width_factor), data_format, "nearest")


def _resized(x: Value, factors: tuple[int, ...], data_format: str, interpolation: str) -> Value:
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {data_format}")
    if data_format == "channels_last":
        return ops.resize(x, factors=factors, interpolation=interpolation)
    return _to_first(ops.resize(_to_last(x), factors=factors, interpolation=interpolation))


def _to_last(x: Value) -> Value:
    return ops.transpose(x, axes=(0, *range(2, len(x.shape)), 1))


def _to_first(x: Value) -> Value:
    return ops.transpose(x, axes=(0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))
