"""Depthwise convolution: each channel has windows of its own. Channels last."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from lamella.core.types import Array
from lamella.core.window import layout, place
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def depthwise_conv(
    x: Array,
    kernel: Array,
    *,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
) -> tuple[Array, Backward]:
    """y[..., c*M + m] = sum over the window of x[..., c] kernel[..., c, m]; in NumPy, tap by tap.

    Args:
        x: float [N, ..., C] with 1 to 3 axes between.
        kernel: [..., C, M] with as many.
        strides, dilation: One number for each axis; None: 1 everywhere.
        padding: As in `Window`.

    Returns:
        [N, ..., C*M] with the sizes between of Window.lengths.

    Raises:
        ValueError: If ranks or channels do not fit or no window fits into x.
    """
    axes, channels, multiplier = kernel.ndim - 2, kernel.shape[-2], kernel.shape[-1]
    if x.ndim != axes + 2 or x.shape[-1] != channels:
        raise ValueError(f"depthwise_conv: expected {layout(axes, channels)}, got shape {x.shape}")
    (window, *steps, before), counts = place(x.shape, kernel.shape[:-2], strides, dilation, padding, "depthwise_conv")
    moves = list(zip(counts, window, *steps))
    sizes = [max((n - 1) * s + (k - 1) * d + 1, b + m) for (n, k, s, d), b, m in zip(moves, before, x.shape[1:-1])]
    inner = (slice(None), *(slice(b, b + n) for b, n in zip(before, x.shape[1:-1])))
    padded = np.zeros((x.shape[0], *sizes, channels), x.dtype)
    padded[inner] = x
    places = {
        tap: (slice(None), *(slice(i * d, i * d + (n - 1) * s + 1, s) for i, (n, _, s, d) in zip(tap, moves)))
        for tap in itertools.product(*map(range, window))
    }
    y = np.zeros((x.shape[0], *counts, channels, multiplier), x.dtype)
    for tap, at in places.items():
        y += padded[at][..., None] * kernel[tap]
    shape = y.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = dy.reshape(shape)
        points = tuple(range(axes + 1))
        dpadded, dkernel = np.zeros_like(padded), np.empty_like(kernel)
        for tap, at in places.items():
            if need[0]:
                dpadded[at] += (dy * kernel[tap]).sum(axis=-1)
            if need[1]:
                dkernel[tap] = (padded[at][..., None] * dy).sum(axis=points)
        return dpadded[inner], dkernel

    return y.reshape(*shape[:-2], channels * multiplier), backward
