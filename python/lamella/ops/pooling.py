"""Pooling over windows, and over all places, of sequences, images and volumes. Channels last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.core.window import Geometry, layout, place
from lamella.ops.arrays import contiguous, empty_like, extremum_over_places, relu_gradient
from lamella.ops.dense import FusedActivation
from lamella.ops.tape import Backward, Gradients, differentiable

# The kernel stores the place of a maximum in its window as one byte, see cpp/table/window.def.
LARGEST_MAX_WINDOW = 256


def _place_windows(
    shape: tuple[int, ...], size: Sequence[int], strides: Sequence[int], padding: str, who: str
) -> tuple[Geometry, tuple[int, ...]]:
    """The geometry for the kernel on an array of this shape, and the shape of the result.

    Raises:
        ValueError: The array has another rank, or no window fits. The message begins with `who`.
    """
    if len(shape) != len(size) + 2:
        raise ValueError(f"{who}: expected {layout(len(size))}, got shape {shape}")
    geometry, counts = place(shape, size, strides, None, padding, who)
    return geometry, (shape[0], *counts, shape[-1])


@differentiable
def max_pool(
    x: Array,
    *,
    size: Sequence[int],
    strides: Sequence[int],
    padding: str = "valid",
    activation: FusedActivation = "linear",
) -> tuple[Array, Backward]:
    """activation(the maximum of each window, without the padding). Of equal maxima the first one gets the gradient.

    The maximum of relu(x) is the relu of the maximum of x, with the same gradient. Here the relu costs less than before the
    pooling, where it would read and write a larger array.

    Args:
        x: float [N, ..., C] with 1 to 3 axes for the places.
        size: Size of the window, one number for each axis. With at most 256 places, with relu 255, one call of a kernel.
        strides: One number for each axis.
        padding: "valid" | "same".
        activation: "linear" | "relu".

    Returns:
        [N, ..., C]; the sizes of the places are those of Window.lengths.

    Raises:
        ValueError: x has another rank, or no window fits into it.
    """
    geometry, shape = _place_windows(x.shape, size, strides, padding, "max_pool")
    x = contiguous(x)
    y = empty_like(x, shape)
    before, relu = x.shape, activation == "relu"
    if count(geometry[0]) > LARGEST_MAX_WINDOW - relu:
        if padding == "valid" and geometry[0] == before[1:-1]:
            return _pool_all(x, shape, relu)
        return _pool_in_parts(x, geometry, shape, relu)
    argmax = np.empty(shape, np.uint8)
    _kernels.max_pool_forward(x, geometry, relu, y, argmax)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, before)
        _kernels.max_pool_backward(contiguous(dy), argmax, geometry, dx)
        return (dx,)

    return y, backward


def _pool_all(x: Array, shape: tuple[int, ...], relu: bool) -> tuple[Array, Backward]:
    """max_pool with one window that covers all places."""
    maximum, global_backward = _global_max(x, "max_pool")
    if relu:
        _kernels.relu_forward(maximum, 0.0, np.inf, 0.0, maximum)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy.reshape(maximum.shape))
        return (global_backward(relu_gradient(maximum, dy) if relu else dy),)

    return maximum.reshape(shape), backward


def _pool_in_parts(x: Array, geometry: Geometry, shape: tuple[int, ...], relu: bool) -> tuple[Array, Backward]:
    """max_pool with windows that are too large for one call of the kernel."""
    places, before = _places_in_parts(x, geometry, shape), x.shape
    y: Array = x.reshape(-1)[places]
    if relu:
        _kernels.relu_forward(y, 0.0, np.inf, 0.0, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        return (_at_places(relu_gradient(y, dy) if relu else dy, places, before),)

    return y, backward


def _places_in_parts(x: Array, geometry: Geometry, shape: tuple[int, ...]) -> Array:
    """`places_of_maxima` of larger windows: of rows, then of columns, each by windows of at most 256 places one after another.

    The first of equal maxima is that of one large window.
    """
    window, steps, _, before = geometry
    ends = [(n - 1) * step + size for n, step, size in zip(shape[1:-1], steps, window)]  # of the last windows, with the padding
    # Padding repeats the edge, which is in each window that reaches into the padding. So no value is only in the padding.
    places: Array = np.arange(x.size).reshape(x.shape)
    for axis, (end, b) in enumerate(zip(ends, before), start=1):
        places = places.take(np.clip(np.arange(end) - b, 0, x.shape[axis] - 1), axis)
    padded = x.reshape(-1)[places]
    axes = len(window)
    for axis in reversed(range(axes)):
        rest = window[axis]
        while True:
            part = min(rest, LARGEST_MAX_WINDOW)
            rest -= part - 1
            size, stride = [1] * axes, [1] * axes
            size[axis], stride[axis] = part, steps[axis] if rest == 1 else 1
            chosen = places_of_maxima(padded, size, stride, "valid")
            padded, places = padded.reshape(-1)[chosen], places.reshape(-1)[chosen]
            if rest == 1:
                break
    return places


def _at_places(dy: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """The gradients dy at these flat indices of an array of this shape; those of one place are summed."""
    return np.bincount(places.ravel(), dy.ravel(), minlength=count(shape)).astype(dy.dtype).reshape(shape)


def places_of_maxima(x: Array, size: Sequence[int], strides: Sequence[int], padding: str) -> Array:
    """The flat indices in x of the maxima of `max_pool`, int64, in the shape of its result."""
    geometry, shape = _place_windows(x.shape, size, strides, padding, "max_pool")
    x, channels = contiguous(x), np.arange(x.shape[-1])
    if count(geometry[0]) > LARGEST_MAX_WINDOW:
        if padding != "valid" or geometry[0] != x.shape[1:-1]:
            return _places_in_parts(x, geometry, shape)
        argmax = np.empty((x.shape[0], x.shape[-1]), np.int64)
        _kernels.global_max_pool_forward(_places(x, "max_pool"), empty_like(x, argmax.shape), argmax)
        rows: Array = np.arange(x.shape[0])[:, None] * count(x.shape[1:-1]) + argmax
        return np.reshape(rows * x.shape[-1] + channels, shape)
    in_window = np.empty(shape, np.uint8)
    _kernels.max_pool_forward(x, geometry, False, empty_like(x, shape), in_window)
    window, steps, _, before = geometry
    flat: Array = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    for axis, within in enumerate(np.unravel_index(in_window, window)):
        start = np.arange(shape[axis + 1]) * steps[axis] - before[axis]
        flat = flat * x.shape[axis + 1] + start.reshape(-1, *[1] * (x.ndim - 2 - axis)) + within
    places: Array = flat * x.shape[-1] + channels
    return places


@differentiable
def take_places(x: Array, *, places: Array) -> tuple[Array, Backward]:
    """x at the flat indices `places`, in their shape. If a place is taken several times, its gradients are summed."""

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (_at_places(dy, places, x.shape),)

    return x.reshape(-1)[places], backward


@differentiable
def avg_pool(x: Array, *, size: Sequence[int], strides: Sequence[int], padding: str = "valid") -> tuple[Array, Backward]:
    """The mean of each window. Padding is not counted.

    Args:
        x: float [N, ..., C] with 1 to 3 axes for the places.
        size: Size of the window, one number for each axis.
        strides: One number for each axis.
        padding: "valid" | "same".

    Returns:
        [N, ..., C]; the sizes of the places are those of Window.lengths.

    Raises:
        ValueError: x has another rank, or no window fits into it.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    geometry, shape = _place_windows(x.shape, size, strides, padding, "avg_pool")
    x = contiguous(x)
    y = empty_like(x, shape)
    before = x.shape
    _kernels.avg_pool_forward(x, geometry, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, before)
        _kernels.avg_pool_backward(contiguous(dy), geometry, dx)
        return (dx,)

    return y, backward


def _places(x: Array, who: str) -> Array:
    """[N, ..., C] as [N, S, C].

    Raises:
        ValueError: There are no places.
    """
    if x.ndim < 3 or 0 in x.shape[1:-1]:
        raise ValueError(f"{who}: expected [N, ..., C] with at least one place, got shape {x.shape}")
    return contiguous(x).reshape(x.shape[0], count(x.shape[1:-1]), x.shape[-1])


@differentiable
def global_avg_pool(x: Array) -> tuple[Array, Backward]:
    """The mean of x over all places: [N, ..., C] -> [N, C]."""
    before, x = x.shape, _places(x, "global_avg_pool")
    y = empty_like(x, (x.shape[0], x.shape[2]))
    _kernels.global_avg_pool_forward(x, y)
    shape = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(dy, shape)
        _kernels.global_avg_pool_backward(contiguous(dy), dx)
        return (dx.reshape(before),)

    return y, backward


@differentiable
def global_max_pool(x: Array) -> tuple[Array, Backward]:
    """The maximum of x over all places: [N, ..., C] -> [N, C].

    Equal maxima share the gradient, as in Keras 2.2.5, which computes this by K.max.
    """
    before = x.shape
    y, to_x = extremum_over_places(_places(x, "global_max_pool"))
    return y, lambda dy, need: (to_x(dy).reshape(before),)


def _global_max(x: Array, who: str) -> tuple[Array, Callable[[Array], Array]]:
    """The maximum [N, C], and its backward, which gives the gradient to the first of equal maxima."""
    before, x = x.shape, _places(x, who)
    y = empty_like(x, (x.shape[0], x.shape[2]))
    argmax = np.empty(y.shape, np.int64)
    _kernels.global_max_pool_forward(x, y, argmax)
    shape = x.shape

    def backward(dy: Array) -> Array:
        dx = empty_like(dy, shape)
        _kernels.global_max_pool_backward(contiguous(dy), argmax, dx)
        return dx.reshape(before)

    return y, backward
