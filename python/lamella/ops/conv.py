"""Convolution over sequences, images and volumes, channels last."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.types import Array
from lamella.core.window import Geometry, Window, layout, place
from lamella.ops.arrays import absent, contiguous, empty_like, or_absent, relu_gradient
from lamella.ops.dense import FusedActivation
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def conv(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
    activation: FusedActivation = "linear",
) -> tuple[Array, Backward]:
    """y = activation(x * kernel + bias), where * is cross-correlation, as usual in neural networks.

    Args:
        x: float [N, ..., C] with 1 to 3 axes for the places: [N, T, C], [N, H, W, C] or [N, D, H, W, C].
        kernel: [..., C, K] with the same number of axes for the places.
        bias: [K] or None.
        strides: One number for each axis of the places; None is 1 everywhere.
        dilation: Likewise.
        padding: "valid" | "same" (zeros; if their number is odd, one more at the end) | "causal" (all zeros before) | "full",
            as in `Window`.
        activation: "linear" | "relu".

    Returns:
        [N, ..., K]; the sizes of the places are those of Window.lengths.

    Raises:
        TypeError: The dtypes differ.
        ValueError: Ranks or channels do not fit, or no window fits into x.
    """
    x, kernel = contiguous(x), contiguous(kernel)
    geometry, shape = _place_filters(x, kernel, strides, dilation, padding, "conv")
    relu = activation == "relu"
    y = empty_like(x, shape)
    _kernels.conv_forward(x, kernel, or_absent(bias, kernel.dtype), geometry, relu, y)
    output = y if relu else None

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        if output is not None:
            dy = relu_gradient(output, dy)
        return _conv_gradients(x, kernel, bias is not None, geometry, dy, need)

    return y, backward


def _place_filters(
    x: Array, kernel: Array, strides: Sequence[int] | None, dilation: Sequence[int] | None, padding: str, who: str
) -> tuple[Geometry, tuple[int, ...]]:
    """The geometry of a convolution for its kernels, and the shape of its result.

    Raises:
        ValueError: Ranks or channels do not fit, or no window fits into x. The message begins with `who`.
    """
    axes, channels = kernel.ndim - 2, kernel.shape[-2]
    if x.ndim != axes + 2 or x.shape[-1] != channels:
        raise ValueError(f"{who}: expected {layout(axes, channels)}, got shape {x.shape}")
    geometry, counts = place(x.shape, kernel.shape[:-2], strides, dilation, padding, who)
    return geometry, (x.shape[0], *counts, kernel.shape[-1])


def _conv_gradients(
    x: Array, kernel: Array, biased: bool, geometry: Geometry, dy: Array, need: tuple[bool, ...]
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of x, kernel and bias that are needed. dy: contiguous, the gradient before an activation."""
    dx = dkernel = dbias = None
    if need[1] or need[2]:
        dkernel = empty_like(kernel)
        dbias = empty_like(dy, kernel.shape[-1:]) if biased else absent(kernel.dtype)
        _kernels.conv_backward_weights(x, dy, geometry, dkernel, dbias)
    if need[0]:
        dx = empty_like(x)
        _kernels.conv_backward_input(dy, kernel, geometry, dx)
    return dx, dkernel, dbias


@differentiable
def conv_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    sizes: Sequence[int],
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
) -> tuple[Array, Backward]:
    """Transposed convolution: y[i*stride + a*dilation - before] += x[i] kernel[a], plus bias.

    Without the bias it is the gradient of a convolution with respect to its input.

    Args:
        x: float [N, ..., C] with 1 to 3 axes for the places.
        kernel: [..., K, C] with the same number of axes for the places: the kernel of the convolution from y to x.
        bias: [K] or None.
        sizes: The sizes of y between N and K.
        strides: One number for each axis of the places; None is 1 everywhere.
        dilation: Likewise.
        padding: "valid": before is 0. "same": before is half of the length by which the windows exceed `sizes`, rounded down.

    Returns:
        [N, *sizes, K]. Places to which no x contributes hold only the bias.

    Raises:
        TypeError: The dtypes differ.
        ValueError: Ranks, channels or sizes do not fit, or another padding is given.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    axes, filters, channels = kernel.ndim - 2, kernel.shape[-2], kernel.shape[-1]
    if x.ndim != axes + 2 or x.shape[-1] != channels:
        raise ValueError(f"conv_transpose: expected {layout(axes, channels)}, got shape {x.shape}")
    if len(sizes) != axes or min(sizes) < 1:
        raise ValueError(f"conv_transpose: expected {axes} positive sizes, got {tuple(sizes)}")
    x, kernel = contiguous(x), contiguous(kernel)
    geometry = Window.over(kernel.shape[:-2], strides, dilation, padding).transposed_geometry(x.shape[1:-1], sizes)
    y = empty_like(x, (x.shape[0], *sizes, filters))
    _kernels.conv_backward_input(x, kernel, geometry, y)
    if bias is not None:
        y += bias

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = dkernel = dbias = None
        if need[0]:
            dx = empty_like(x)
            _kernels.conv_forward(dy, kernel, absent(kernel.dtype), geometry, False, dx)
        if need[1]:
            dkernel = empty_like(kernel)
            _kernels.conv_backward_weights(dy, x, geometry, dkernel, absent(kernel.dtype))
        if need[2] and bias is not None:
            dbias = empty_like(dy, (filters,))
            _kernels.sum_columns(dy.reshape(-1, filters), dbias)
        return dx, dkernel, dbias

    return y, backward
