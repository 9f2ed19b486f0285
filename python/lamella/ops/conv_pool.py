"""A convolution and the max pooling behind it, a few images at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, or_absent
from lamella.ops.conv import _conv_gradients, _place_filters
from lamella.ops.dense import FusedActivation
from lamella.ops.pooling import LARGEST_MAX_WINDOW, _place_windows
from lamella.ops.tape import Backward, Gradients, differentiable

# Bytes of the convolution of one group of images. They are pooled before they leave the L2 and L3 caches: at 128 x 24 x 24 x 64
# groups of 1 to 2 MB take 9.7 ms, of 5 MB 10.0 and all images at once 12.1 (AVX-512, EPYC, Zen 4).
_GROUP_BYTES = 3 << 19
# Points of one group: enough for the 48 tiles of 4 x 4 points from which on a kernel uses Winograd's algorithm, so that the
# algorithm, and with it the bits, do not depend on the groups.
_GROUP_POINTS = 48 * 16


@differentiable
def conv_max_pool(
    x: Array,
    kernel: Array,
    bias: Array | None,
    *,
    size: Sequence[int],
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    padding: str = "valid",
    pool_strides: Sequence[int],
    pool_padding: str = "valid",
    activation: FusedActivation = "linear",
) -> tuple[Array, Backward]:
    """max_pool(conv(x)) with the same bits; the whole result of the convolution never exists.

    Args:
        x: As in `conv`.
        kernel: As in `conv`.
        bias: As in `conv`.
        size: Size of the window of the pooling: at most 256 places, with relu 255.
        strides: Of the convolution, as in `conv`.
        dilation: As in `conv`.
        padding: Of the convolution, as in `conv`.
        pool_strides: Strides of the pooling, one number for each axis.
        pool_padding: "valid" | "same".
        activation: "linear" | "relu".

    Returns:
        [N, ..., K]

    Raises:
        TypeError: The dtypes differ.
        ValueError: As in `conv` and `max_pool`.
    """
    relu = activation == "relu"
    if count(size) > LARGEST_MAX_WINDOW - relu:
        raise ValueError(f"conv_max_pool: expected a window of at most {LARGEST_MAX_WINDOW - relu} places, got {size}")
    x, kernel = contiguous(x), contiguous(kernel)
    geometry, convolved = _place_filters(x, kernel, strides, dilation, padding, "conv_max_pool")
    pooling, shape = _place_windows(convolved, size, pool_strides, pool_padding, "conv_max_pool")
    y, argmax = empty_like(x, shape), np.empty(shape, np.uint8)
    given = or_absent(bias, kernel.dtype)
    bounds = _groups(convolved, x.itemsize)
    z = empty_like(x, (max(end - begin for begin, end in bounds), *convolved[1:]))
    for begin, end in bounds:
        of_group = z[: end - begin]
        _kernels.conv_forward(x[begin:end], kernel, given, geometry, False, of_group)
        _kernels.max_pool_forward(of_group, pooling, relu, y[begin:end], argmax[begin:end])

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dz = empty_like(dy, convolved)
        _kernels.max_pool_backward(contiguous(dy), argmax, pooling, dz)
        return _conv_gradients(x, kernel, bias is not None, geometry, dz, need)

    return y, backward


def _groups(convolved: tuple[int, ...], itemsize: int) -> list[tuple[int, int]]:
    """The first and the end of each group of images. No group is smaller than the least size, unless it has all images."""
    images, points = convolved[0], max(1, count(convolved[1:-1]))
    least = max(_GROUP_BYTES // max(1, points * convolved[-1] * itemsize), -(-_GROUP_POINTS // points), 1)
    groups = max(1, images // least)
    return [(i * images // groups, (i + 1) * images // groups) for i in range(groups)]
