"""K: pooling and upsampling of images and volumes."""

from __future__ import annotations

import numpy as np

from lamella import ops
from lamella.backend.windows import Numbers, checked_padding
from lamella.core.config import dialect, normalize_data_format
from lamella.core.shapes import normalize_tuple
from lamella.core.types import Value
from lamella.graph.connect import in_graphs
from lamella.ops.data_format import to_first, to_last
from lamella.ops.tape import value_of

__all__ = ["pool2d", "pool3d", "resize_images", "resize_volumes"]


@in_graphs
def pool2d(
    x: Value,
    pool_size: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Value:
    """Pooling of images.

    Args:
        x: [N, H, W, C], or [N, C, H, W] with channels_first. Of integers for "max".
        pool_size: Rows and columns of the window.
        strides: Its steps. Unlike a layer's, they are (1, 1) by default.
        padding: "valid" | "same".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        pool_mode: "max" | "avg".

    Raises:
        ValueError: pool_mode or padding is unknown, or no window fits.
    """
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 2)


@in_graphs
def pool3d(
    x: Value,
    pool_size: tuple[int, int, int],
    strides: tuple[int, int, int] = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Value:
    """`pool2d` of volumes, x with one more axis.

    Raises:
        ValueError: pool_mode or padding is unknown, or no window fits.
    """
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 3)


def _pooled(
    x: Value, size: Numbers, strides: Numbers, padding: str, data_format: str | None, pool_mode: str, axes: int
) -> Value:
    if pool_mode not in ("max", "avg"):
        raise ValueError(f'Invalid pool_mode: expected "max" or "avg", got {pool_mode!r}')
    pool = ops.max_pool if pool_mode == "max" else ops.avg_pool
    first = normalize_data_format(data_format) == "channels_first"
    kind = np.dtype(x.dtype)
    if pool_mode == "max" and kind.kind in "iu":
        numbers = np.asarray(value_of(x))
        if kind.itemsize == 8 and numbers.size and (numbers.max() > 2**53 or numbers.min() < -(2**53)):
            raise ValueError("max pooling of integers takes numbers of at most 2**53, which float64 holds")
        y = _pooled(ops.cast(x, dtype="float64"), size, strides, padding, data_format, pool_mode, axes)
        return ops.cast(y, dtype=kind.name)
    y = pool(
        to_last(x) if first else x,
        size=normalize_tuple(size, axes, "pool_size"),
        strides=normalize_tuple(strides, axes, "strides"),
        padding=checked_padding(padding),
    )
    return to_first(y) if first else y


def resize_images(x: Value, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest") -> Value:
    """Images with height_factor times as many rows and width_factor times as many columns.

    Args:
        x: [N, H, W, C], or [N, C, H, W] with channels_first.
        height_factor: Positive integer.
        width_factor: Positive integer.
        data_format: "channels_last" | "channels_first".
        interpolation: "nearest" | "bilinear", as in `ops.resize`. In the dialect of tf.keras "bilinear" reads at half-pixel
            centres.

    Raises:
        ValueError: The data format or interpolation is unknown, or a factor is not a positive integer.
    """
    if interpolation == "bilinear" and dialect() == "tf":
        interpolation = "bilinear_half_pixel"  # before a node of a graph keeps it
    return _resize_images(x, height_factor, width_factor, data_format, interpolation)


def _images(x: Value, height_factor: int, width_factor: int, data_format: str, interpolation: str) -> Value:
    return _resized(x, (height_factor, width_factor), data_format, interpolation)


_resize_images = in_graphs(_images, "resize_images")


@in_graphs
def resize_volumes(x: Value, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Value:
    """Volumes with each place repeated along each axis.

    Args:
        x: [N, D, H, W, C], or [N, C, D, H, W] with channels_first.
        depth_factor: Repetitions along the first axis of the volume, a positive integer.
        height_factor: Along the second.
        width_factor: Along the third.
        data_format: "channels_last" | "channels_first".

    Raises:
        ValueError: The data format is unknown, or a factor is not a positive integer.
    """
    return _resized(x, (depth_factor, height_factor, width_factor), data_format, "nearest")


def _resized(x: Value, factors: tuple[int, ...], data_format: str, interpolation: str) -> Value:
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {data_format}")
    if data_format == "channels_last":
        return ops.resize(x, factors=factors, interpolation=interpolation)
    return to_first(ops.resize(to_last(x), factors=factors, interpolation=interpolation))
