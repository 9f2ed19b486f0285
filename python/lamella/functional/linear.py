"""Dense layers and convolutions, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamella import _kernels
from lamella.core.types import Array
from lamella.functional.arguments import (
    Padding,
    PerAxis,
    check_apart,
    check_channels_last,
    of_arrays,
    or_absent,
    past_relu,
    result,
    results,
    windows,
)


@of_arrays
def dense(x: Array, w: Array, bias: Array | None = None, *, relu: bool = False, out: Array | None = None) -> Array:
    """y = x w + bias, then max(y, 0) if relu.

    Args:
        x: float32 or float64 [M, K].
        w: [K, N].
        bias: [N] or None.
        relu: Whether negative results become 0.
        out: The array for y; a new one if None.

    Returns:
        y [M, N].

    Raises:
        ValueError: Shapes do not fit, or `out` overlaps an argument.
        TypeError: The dtypes differ, or an array is not C-contiguous.
    """
    y = result("dense", "out", out, x, (*x.shape[:1], *w.shape[1:]))
    _kernels.dense_forward(x, w, or_absent(bias, w), relu, y)
    return y


@of_arrays
def dense_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    y: Array | None = None,
    need: Sequence[bool] = (True, True, True),
    out: Sequence[Array | None] | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of `dense`.

    Args:
        dy: The gradient of y, [M, N].
        x: As in `dense`.
        w: As in `dense`.
        y: What `dense` returned with relu=True; None without relu.
        need: Which of dx, dw and dbias are computed.
        out: Arrays for them, or None for each that is to be a new array.

    Returns:
        (dx [M, K], dw [K, N], dbias [N]), None for what is not needed.

    Raises:
        ValueError, TypeError: As `dense`.
    """
    names = ("dx", "dw", "dbias")
    dx, dw, dbias = results("dense_backward", names, need, out, (x, w, w), (x.shape, w.shape, w.shape[1:]))
    dz = None if y is None else result("dense_backward", "dz", None, dy, dy.shape)
    absent = [or_absent(each, w) for each in (y, dz, dx, dw, dbias)]
    _kernels.dense_backward(x, w, absent[0], dy, *absent[1:])
    return dx, dw, dbias


@of_arrays
def conv(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    strides: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Convolution (cross-correlation) of sequences, images or volumes, channels last: y = x * w + bias, then relu.

    Args:
        x: float32 or float64 [N, ..., C] with 1 to 3 spatial axes.
        w: [..., C, K] with the same number of axes.
        bias: [K] or None.
        strides: One number, or one for each axis.
        padding: "valid", "same", "causal" or "full" as in Keras, or the number of zeros on both ends as in PyTorch.
        dilation: One number, or one for each axis.
        relu: Whether negative results become 0.
        out: The array for y; a new one if None.

    Returns:
        y [N, ..., K].

    Raises:
        ValueError: Shapes do not fit, no window fits, or `out` overlaps an argument.
        TypeError: The dtypes differ, or an array is not C-contiguous.
    """
    return _forward("conv", _kernels.conv_forward, x, w, bias, w.shape[-1:], strides, padding, dilation, relu, out)


@of_arrays
def conv_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    strides: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    y: Array | None = None,
    need: Sequence[bool] = (True, True, True),
    out: Sequence[Array | None] | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of `conv`.

    Args:
        dy: The gradient of y, [N, ..., K].
        x: As in `conv`.
        w: As in `conv`.
        strides: As in `conv`.
        padding: As in `conv`.
        dilation: As in `conv`.
        y: What `conv` returned with relu=True; None without relu.
        need: Which of dx, dw and dbias are computed.
        out: Arrays for them, or None for each that is to be a new array.

    Returns:
        (dx, dw, dbias [K]), None for what is not needed.

    Raises:
        ValueError, TypeError: As `conv`.
    """
    kernels = _kernels.conv_backward_input, _kernels.conv_backward_weights
    return _backward("conv_backward", *kernels, dy, x, w, w.shape[-1:], strides, padding, dilation, y, need, out)


@of_arrays
def depthwise_conv(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    strides: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    relu: bool = False,
    out: Array | None = None,
) -> Array:
    """Depthwise convolution, channels last: y[..., c*M + m] = sum over the window of x[..., c] w[..., c, m], + bias, then relu.

    Args:
        x: float32 or float64 [N, ..., C] with 1 to 3 spatial axes.
        w: [..., C, M] with the same number of axes.
        bias: [C*M] or None.
        strides: As in `conv`.
        padding: As in `conv`.
        dilation: As in `conv`.
        relu: Whether negative results become 0.
        out: The array for y; a new one if None.

    Returns:
        y [N, ..., C*M].

    Raises:
        ValueError, TypeError: As `conv`.
    """
    width = (w.shape[-2] * w.shape[-1],) if w.ndim >= 2 else ()
    return _forward("depthwise_conv", _kernels.depthwise_conv_forward, x, w, bias, width, strides, padding, dilation, relu, out)


@of_arrays
def depthwise_conv_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    strides: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    y: Array | None = None,
    need: Sequence[bool] = (True, True, True),
    out: Sequence[Array | None] | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of `depthwise_conv`, with the arguments of `conv_backward`.

    Returns:
        (dx, dw, dbias [C*M]), None for what is not needed.

    Raises:
        ValueError, TypeError: As `conv`.
    """
    kernels = _kernels.depthwise_conv_backward_input, _kernels.depthwise_conv_backward_weights
    width = (w.shape[-2] * w.shape[-1],) if w.ndim >= 2 else ()
    return _backward("depthwise_conv_backward", *kernels, dy, x, w, width, strides, padding, dilation, y, need, out)


def _forward(
    who: str,
    kernel: Callable[..., None],
    x: Array,
    w: Array,
    bias: Array | None,
    width: tuple[int, ...],
    strides: PerAxis,
    padding: Padding,
    dilation: PerAxis,
    relu: bool,
    out: Array | None,
) -> Array:
    check_channels_last(who, "x", x, w.ndim - 2, w.shape[-2] if w.ndim > 2 else None)
    geometry, counts = windows(who, x.shape, w.shape[:-2], strides, dilation, padding)
    y = result(who, "out", out, x, (x.shape[0], *counts, *width))
    kernel(x, w, or_absent(bias, w), geometry, relu, y)
    return y


def _backward(
    who: str,
    input_kernel: Callable[..., None],
    weights_kernel: Callable[..., None],
    dy: Array,
    x: Array,
    w: Array,
    width: tuple[int, ...],
    strides: PerAxis,
    padding: Padding,
    dilation: PerAxis,
    y: Array | None,
    need: Sequence[bool],
    out: Sequence[Array | None] | None,
) -> tuple[Array | None, Array | None, Array | None]:
    check_channels_last(who, "x", x, w.ndim - 2, w.shape[-2] if w.ndim > 2 else None)
    geometry, counts = windows(who, x.shape, w.shape[:-2], strides, dilation, padding)
    if dy.shape != (x.shape[0], *counts, *width):
        raise ValueError(f"{who}: expected dy of shape {(x.shape[0], *counts, *width)}, got {dy.shape}")
    dx, dw, dbias = results(who, ("dx", "dw", "dbias"), need, out, (x, w, w), (x.shape, w.shape, width))
    if out is not None:
        check_apart(who, {"dx": dx, "dw": dw, "dbias": dbias}, {"dy": dy, "x": x, "w": w, "y": y})
    dz = past_relu(y, dy)
    if dw is not None or dbias is not None:
        # The kernel makes both in one pass, and always dw.
        weights = result(who, "dw", None, w, w.shape) if dw is None else dw
        weights_kernel(x, dz, geometry, weights, or_absent(dbias, w))
    if dx is not None:
        input_kernel(dz, w, geometry, dx)
    return dx, dw, dbias
