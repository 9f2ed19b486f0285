"""Local convolution: each place of the output has weights of its own. Channels last."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.core.window import layout, place
from lamella.ops.arrays import absent, contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def local_conv(
    x: Array,
    kernel: Array,
    *,
    size: Sequence[int],
    strides: Sequence[int] | None = None,
    channels_first: bool = False,
) -> tuple[Array, Backward]:
    """y[n, p] = the window of x[n] at place p, as a row, times kernel[p]; windows inside x only.

    Args:
        x: float [N, ..., C] with 1 or 2 axes between.
        kernel: [P, K, F]: P places, row by row; K = C times the window's places, in the order [..., C], or [C, ...] with
            channels_first.
        size: Of the window, one number for each axis.
        strides: Likewise; None: 1 everywhere.

    Returns:
        [N, ..., F] with the sizes between of Window.lengths.

    Raises:
        TypeError: If dtypes differ.
        ValueError: If ranks, channels or places do not fit.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    axes, channels = len(size), x.shape[-1]
    if x.ndim != axes + 2 or kernel.ndim != 3:
        raise ValueError(f"local_conv: expected {layout(axes)} and a kernel [P, K, F], got shapes {x.shape} and {kernel.shape}")
    (window, steps, _, _), counts = place(x.shape, size, strides, None, "valid", "local_conv")
    places, terms = count(counts), channels * count(window)
    if kernel.shape[:2] != (places, terms):
        raise ValueError(
            f"local_conv: expected a kernel [{places}, {terms}, F] for shape {x.shape}, a window {window} and strides {steps}, "
            f"got shape {kernel.shape}"
        )
    x, kernel = contiguous(x), contiguous(kernel)
    images, filters = x.shape[0], kernel.shape[2]
    taps = {
        tap: (slice(None), *(slice(i, i + (n - 1) * s + 1, s) for i, n, s in zip(tap, counts, steps)))
        for tap in itertools.product(*map(range, window))
    }
    # [P..., N, window..., C], or [P..., N, C, window...]: what a place reads is one matrix.
    shape = (*counts, images, channels, *window) if channels_first else (*counts, images, *window, channels)
    first = (*range(1, axes + 1), 0, axes + 1)

    def by_tap(rows: Array) -> Array:
        window_at = axes + 2 if channels_first else axes + 1
        return np.moveaxis(rows, range(window_at, window_at + axes), range(axes))

    rows = empty_like(x, shape)
    for tap, seen in taps.items():
        by_tap(rows)[tap] = x[seen].transpose(first)
    matrices = rows.reshape(places, images, terms)
    y, no_array = empty_like(x, (places, images, filters)), absent(kernel.dtype)
    for rows_here, weights, made in zip(matrices, kernel, y):
        _kernels.dense_forward(rows_here, weights, no_array, False, made)
    last = (axes, *range(axes), axes + 1)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy.transpose(first)).reshape(places, images, filters)
        drows = empty_like(x, matrices.shape) if need[0] else None
        dkernel = empty_like(kernel) if need[1] else None
        for p in range(places):
            to_rows, to_kernel = (no_array if a is None else a[p] for a in (drows, dkernel))
            _kernels.dense_backward(matrices[p], kernel[p], no_array, dy[p], no_array, to_rows, to_kernel, no_array)
        if drows is None:
            return None, dkernel
        dx, back = np.zeros_like(x), by_tap(drows.reshape(shape))
        for tap, seen in taps.items():
            dx[seen] += back[tap].transpose(last)
        return dx, dkernel

    return contiguous(y.reshape(*counts, images, filters).transpose(last)), backward
