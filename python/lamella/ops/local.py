"""Local convolution: each place of the output has its own weights. Channels last."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.core.window import layout, place
from lamella.ops.arrays import contiguous, empty_like, or_absent
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def local_conv(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    size: Sequence[int],
    strides: Sequence[int] | None = None,
    channels_first: bool = False,
) -> tuple[Array, Backward]:
    """y[n, p] = (the window of x[n] at place p, as a row) kernel[p] + bias[p]. There is no padding.

    Args:
        x: float [N, ..., C] with 1 or 2 axes for the places.
        kernel: [P, K, F]: P places of the output, row by row; K is C times the number of places of a window.
        bias: [..., F], the shape of y without N; or None.
        size: Size of the window, one number for each axis.
        strides: One number for each axis; None is 1 everywhere.
        channels_first: Whether K is in the order [C, ...], else [..., C].

    Returns:
        [N, ..., F]; the sizes of the places are those of Window.lengths.

    Raises:
        TypeError: The dtypes differ.
        ValueError: Ranks, channels or numbers of places do not fit.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    axes, channels = len(size), x.shape[-1]
    if x.ndim != axes + 2 or kernel.ndim != 3:
        raise ValueError(f"local_conv: expected {layout(axes)} and a kernel [P, K, F], got shapes {x.shape} and {kernel.shape}")
    geometry, counts = place(x.shape, size, strides, None, "valid", "local_conv")
    window, steps = geometry[:2]
    places, terms = count(counts), channels * count(window)
    if kernel.shape[:2] != (places, terms):
        raise ValueError(
            f"local_conv: expected a kernel [{places}, {terms}, F] for shape {x.shape}, a window {window} and strides {steps}, "
            f"got shape {kernel.shape}"
        )
    if bias is not None and bias.shape != (*counts, kernel.shape[2]):
        raise ValueError(f"local_conv: expected a bias of shape {(*counts, kernel.shape[2])}, got {bias.shape}")
    x, kernel = contiguous(x), contiguous(kernel)
    y = empty_like(x, (x.shape[0], *counts, kernel.shape[2]))
    added = or_absent(bias, kernel.dtype)
    _kernels.local_conv_forward(x, kernel, added, geometry, channels_first, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = dkernel = dbias = None
        if need[1] or need[2]:
            dkernel, dbias = empty_like(kernel), empty_like(added)
            _kernels.local_conv_backward_weights(x, dy, geometry, channels_first, dkernel, dbias)
        if need[0]:
            dx = empty_like(x)
            _kernels.local_conv_backward_input(dy, kernel, geometry, channels_first, dx)
        return dx, dkernel, dbias

    return y, backward
