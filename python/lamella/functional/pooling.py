"""Pooling over windows, forward and backward. Channels last."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.core.window import Geometry
from lamella.functional.arguments import Padding, PerAxis, check_channels_last, of_arrays, per_axis, result, windows
from lamella.ops.pooling import LARGEST_MAX_WINDOW


@of_arrays
def max_pool(
    x: Array, size: PerAxis, *, strides: PerAxis | None = None, padding: Padding = "valid", out: Array | None = None
) -> tuple[Array, Array]:
    """The maximum of each window, without its padding; of equal numbers the first one counts.

    Args:
        x: float32 or float64 [N, ..., C] with 1 to 3 spatial axes.
        size: The window's size, one number or one for each axis; at most 256 positions.
        strides: One number, or one for each axis; None is the size.
        padding: "valid" or "same" as in Keras, or the number of zeros on both ends as in PyTorch.
        out: The array for y; a new one if None.

    Returns:
        (y [N, ..., C], argmax: uint8 [N, ..., C], the position of the maximum in its window, which `max_pool_backward` needs).

    Raises:
        ValueError: Shapes do not fit, no window fits, or the window is too large.
        TypeError: x is not a C-contiguous array of floats.
    """
    geometry, shape = _windows("max_pool", x, x.shape, size, strides, padding)
    if count(geometry[0]) > LARGEST_MAX_WINDOW:
        raise ValueError(f"max_pool: expected a window of at most {LARGEST_MAX_WINDOW} places, got {geometry[0]}")
    y = result("max_pool", "out", out, x, shape)
    argmax = np.empty(shape, np.uint8)
    _kernels.max_pool_forward(x, geometry, False, y, argmax)
    return y, argmax


@of_arrays
def max_pool_backward(
    dy: Array,
    argmax: Array,
    shape: tuple[int, ...],
    size: PerAxis,
    *,
    strides: PerAxis | None = None,
    padding: Padding = "valid",
    out: Array | None = None,
) -> Array:
    """The gradient of `max_pool`.

    Args:
        dy: The gradient of y.
        argmax: As `max_pool` returned it.
        shape: The shape of x.
        size: As in `max_pool`.
        strides: As in `max_pool`.
        padding: As in `max_pool`.
        out: The array for dx; a new one if None.

    Returns:
        dx, an array of `shape`.

    Raises:
        ValueError: Shapes do not fit.
        TypeError: The dtypes do not fit.
    """
    geometry, _ = _windows("max_pool_backward", dy, tuple(shape), size, strides, padding)
    dx = result("max_pool_backward", "out", out, dy, tuple(shape))
    _kernels.max_pool_backward(dy, argmax, geometry, dx)
    return dx


@of_arrays
def avg_pool(
    x: Array, size: PerAxis, *, strides: PerAxis | None = None, padding: Padding = "valid", out: Array | None = None
) -> Array:
    """The mean of each window. Padding is not counted, as in Keras (PyTorch: count_include_pad=False).

    Args:
        x: float32 or float64 [N, ..., C] with 1 to 3 spatial axes.
        size: The window's size, one number or one for each axis.
        strides: One number, or one for each axis; None is the size.
        padding: As in `max_pool`.
        out: The array for y; a new one if None.

    Returns:
        y [N, ..., C].

    Raises:
        ValueError: Shapes do not fit, or no window fits.
        TypeError: x is not a C-contiguous array of floats.
    """
    geometry, shape = _windows("avg_pool", x, x.shape, size, strides, padding)
    y = result("avg_pool", "out", out, x, shape)
    _kernels.avg_pool_forward(x, geometry, y)
    return y


@of_arrays
def avg_pool_backward(
    dy: Array,
    shape: tuple[int, ...],
    size: PerAxis,
    *,
    strides: PerAxis | None = None,
    padding: Padding = "valid",
    out: Array | None = None,
) -> Array:
    """The gradient of `avg_pool`.

    Args:
        dy: The gradient of y.
        shape: The shape of x.
        size: As in `avg_pool`.
        strides: As in `avg_pool`.
        padding: As in `avg_pool`.
        out: The array for dx; a new one if None.

    Returns:
        dx, an array of `shape`.

    Raises:
        ValueError: Shapes do not fit.
        TypeError: dy is not a C-contiguous array of floats.
    """
    geometry, _ = _windows("avg_pool_backward", dy, tuple(shape), size, strides, padding)
    dx = result("avg_pool_backward", "out", out, dy, tuple(shape))
    _kernels.avg_pool_backward(dy, geometry, dx)
    return dx


def _windows(
    who: str, array: Array, shape: tuple[int, ...], size: PerAxis, strides: PerAxis | None, padding: Padding
) -> tuple[Geometry, tuple[int, ...]]:
    """The windows over an array of this shape, and the shape of their results."""
    axes = len(shape) - 2
    check_channels_last(who, "x or dy", array, axes, shape[-1] if shape else None)
    sizes = per_axis(who, "size", size, axes)
    geometry, counts = windows(who, shape, sizes, sizes if strides is None else strides, 1, padding)
    return geometry, (shape[0], *counts, shape[-1])
