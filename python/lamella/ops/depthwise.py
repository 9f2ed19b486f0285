"""Depthwise convolution: each channel has its own weights. Channels last."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.types import Array
from lamella.core.window import layout, place
from lamella.ops.arrays import absent, contiguous, empty_like, or_absent, relu_gradient
from lamella.ops.dense import FusedActivation
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def depthwise_conv(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
    activation: FusedActivation = "linear",
) -> tuple[Array, Backward]:
    """y[..., c*M + m] = activation(sum over the window of x[..., c] kernel[..., c, m] + bias[c*M + m]).

    Args:
        x: float [N, ..., C] with 1 to 3 axes for the places.
        kernel: [..., C, M] with the same number of axes for the places.
        bias: [C*M] or None.
        strides: One number for each axis of the places; None is 1 everywhere.
        dilation: Likewise.
        padding: As in `Window`.
        activation: "linear" | "relu".

    Returns:
        [N, ..., C*M]; the sizes of the places are those of Window.lengths.

    Raises:
        TypeError: The dtypes differ.
        ValueError: Ranks or channels do not fit, or no window fits into x.
    """
    axes, channels, width = kernel.ndim - 2, kernel.shape[-2], kernel.shape[-2] * kernel.shape[-1]
    if x.ndim != axes + 2 or x.shape[-1] != channels:
        raise ValueError(f"depthwise_conv: expected {layout(axes, channels)}, got shape {x.shape}")
    x, kernel = contiguous(x), contiguous(kernel)
    geometry, counts = place(x.shape, kernel.shape[:-2], strides, dilation, padding, "depthwise_conv")
    relu = activation == "relu"
    y = empty_like(x, (x.shape[0], *counts, width))
    _kernels.depthwise_conv_forward(x, kernel, or_absent(bias, kernel.dtype), geometry, relu, y)
    output = y if relu else None

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        if output is not None:
            dy = relu_gradient(output, dy)
        dx = dkernel = dbias = None
        if need[1] or need[2]:
            dkernel = empty_like(kernel)
            dbias = empty_like(dy, (width,)) if bias is not None else absent(kernel.dtype)
            _kernels.depthwise_conv_backward_weights(x, dy, geometry, dkernel, dbias)
        if need[0]:
            dx = empty_like(x)
            _kernels.depthwise_conv_backward_input(dy, kernel, geometry, dx)
        return dx, dkernel, dbias

    return y, backward
