"""Convolution over images, channels last."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core import shapes
from lamella.core.types import Array
from lamella.ops.arrays import absent, contiguous, empty_like
from lamella.ops.dense import FusedActivation
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def conv2d(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    strides: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "valid",
    activation: FusedActivation = "linear",
) -> tuple[Array, Backward]:
    """y = activation(x * kernel + bias): cross-correlation, as everywhere in the field.

    Args:
        x: float [N, H, W, C].
        kernel: [R, S, C, K].
        bias: [K] or None.
        padding: "valid" | "same" (zeros; the odd one at the end).

    Returns:
        [N, P, Q, K], P = shapes.window_length(H, R, strides[0], padding, dilation[0]).

    Raises:
        TypeError: If dtypes differ.
        ValueError: If ranks or channels do not fit or no window fits into the image.
    """
    if x.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(f"conv2d: expected [N, H, W, {kernel.shape[2]}], got shape {x.shape}")
    x, kernel = contiguous(x), contiguous(kernel)
    images, height, width, _ = x.shape
    window_rows, window_columns, _, filters = kernel.shape
    rows = shapes.window_length(height, window_rows, strides[0], padding, dilation[0])
    columns = shapes.window_length(width, window_columns, strides[1], padding, dilation[1])
    if not rows or not columns:
        raise ValueError(f"conv2d: no window of {kernel.shape[:2]} with dilation {dilation} fits into shape {x.shape}")
    top, _ = shapes.pad_amounts(height, window_rows, strides[0], padding, dilation[0])
    left, _ = shapes.pad_amounts(width, window_columns, strides[1], padding, dilation[1])
    geometry = (*strides, *dilation, top, left)
    relu = activation == "relu"
    y = empty_like(x, (images, rows, columns, filters))
    _kernels.conv2d_forward(x, kernel, absent(kernel.dtype) if bias is None else bias, *geometry, relu, y)
    output = y if relu else None

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        if output is not None:
            dy = relu_gradient(output, dy)
        dx = dkernel = dbias = None
        if need[1] or need[2]:
            dkernel = empty_like(kernel)
            dbias = empty_like(dy, (filters,)) if bias is not None else absent(kernel.dtype)
            _kernels.conv2d_backward_weights(x, dy, *geometry, dkernel, dbias)
        if need[0]:
            dx = empty_like(x)
            _kernels.conv2d_backward_input(dy, kernel, *geometry, dx)
        return dx, dkernel, dbias

    return y, backward


def relu_gradient(y: Array, dy: Array) -> Array:
    """dy where the output y of a fused relu is positive, 0 elsewhere."""
    dx = empty_like(dy)
    _kernels.relu_backward(y, dy, 0.0, np.inf, 0.0, dx)
    return dx
