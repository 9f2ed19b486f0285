"""Pooling over windows and over whole images, channels last."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core import shapes
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, differentiable

# cpp/table/window.def: the place of a maximum in its window is a byte.
LARGEST_MAX_WINDOW = 256


def _geometry(
    x: Array, size: tuple[int, int], strides: tuple[int, int], padding: str, who: str
) -> tuple[tuple[int, ...], tuple[int, int, int, int, int, int]]:
    """The result's shape, and (kh, kw, sh, sw, pt, pl) as the kernels take them."""
    if x.ndim != 4:
        raise ValueError(f"{who}: expected [N, H, W, C], got shape {x.shape}")
    images, height, width, channels = x.shape
    rows = shapes.window_length(height, size[0], strides[0], padding)
    columns = shapes.window_length(width, size[1], strides[1], padding)
    if not rows or not columns:
        raise ValueError(f"{who}: no window of {size} fits into shape {x.shape}")
    top, _ = shapes.pad_amounts(height, size[0], strides[0], padding)
    left, _ = shapes.pad_amounts(width, size[1], strides[1], padding)
    return (images, rows, columns, channels), (size[0], size[1], strides[0], strides[1], top, left)


@differentiable
def max_pool2d(x: Array, *, size: tuple[int, int], strides: tuple[int, int], padding: str = "valid") -> tuple[Array, Backward]:
    """Largest of each window; padding never wins. The first of equals gets the gradient.

    Args:
        x: float [N, H, W, C].
        size: At most 256 places.
        padding: "valid" | "same".

    Returns:
        [N, P, Q, C], P = shapes.window_length(H, size[0], strides[0], padding).
    """
    if size[0] * size[1] > LARGEST_MAX_WINDOW:
        raise ValueError(f"max_pool2d: expected a window of at most {LARGEST_MAX_WINDOW} places, got {size}")
    shape, geometry = _geometry(x, size, strides, padding, "max_pool2d")
    x = contiguous(x)
    y = empty_like(x, shape)
    argmax = np.empty(shape, np.uint8)
    _kernels.max_pool2d_forward(x, *geometry, y, argmax)
    before = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, before)
        _kernels.max_pool2d_backward(contiguous(dy), argmax, *geometry, dx)
        return (dx,)

    return y, backward


@differentiable
def avg_pool2d(x: Array, *, size: tuple[int, int], strides: tuple[int, int], padding: str = "valid") -> tuple[Array, Backward]:
    """Mean of each window; padding is not counted.

    Args:
        x: float [N, H, W, C].
        padding: "valid" | "same".

    Returns:
        [N, P, Q, C], P = shapes.window_length(H, size[0], strides[0], padding).

    Source: Keras 2.2.5, TensorFlow backend.
    """
    shape, geometry = _geometry(x, size, strides, padding, "avg_pool2d")
    x = contiguous(x)
    y = empty_like(x, shape)
    _kernels.avg_pool2d_forward(x, *geometry, y)
    before = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, before)
        _kernels.avg_pool2d_backward(contiguous(dy), *geometry, dx)
        return (dx,)

    return y, backward


def _places(x: Array, who: str) -> Array:
    """[N, ..., C] as [N, S, C]. Raises ValueError if there is nothing to reduce."""
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(f"{who}: expected [N, ..., C] with places between, got shape {x.shape}")
    return contiguous(x).reshape(x.shape[0], shapes.count(x.shape[1:-1]), x.shape[-1])


@differentiable
def global_avg_pool2d(x: Array) -> tuple[Array, Backward]:
    """Mean over all places: [N, H, W, C] -> [N, C]."""
    before, x = x.shape, _places(x, "global_avg_pool2d")
    y = empty_like(x, (x.shape[0], x.shape[2]))
    _kernels.global_avg_pool_forward(x, y)
    shape = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, shape)
        _kernels.global_avg_pool_backward(contiguous(dy), dx)
        return (dx.reshape(before),)

    return y, backward


@differentiable
def global_max_pool2d(x: Array) -> tuple[Array, Backward]:
    """Largest of all places: [N, H, W, C] -> [N, C]. The first of equals gets the gradient."""
    before, x = x.shape, _places(x, "global_max_pool2d")
    y = empty_like(x, (x.shape[0], x.shape[2]))
    argmax = np.empty(y.shape, np.int64)
    _kernels.global_max_pool_forward(x, y, argmax)
    shape = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, shape)
        _kernels.global_max_pool_backward(contiguous(dy), argmax, dx)
        return (dx.reshape(before),)

    return y, backward
