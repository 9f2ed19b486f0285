"""Upsampling of sequences, images and volumes. Channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamella.core.types import Array
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def resize(x: Array, *, factors: Sequence[int], interpolation: str = "nearest") -> tuple[Array, Backward]:
    """x with factors[i] times as many places along axis i + 1.

    "nearest": place o of the result is place o // f of x. "bilinear": place o of the result is interpolated from the two places
    of x next to o / f; after the last place of x its value is used. This is the rule of TensorFlow 1, without half-pixel
    centres. "bilinear_half_pixel": from those next to (o + 0.5) / f - 0.5, as in tf.keras, Keras 3 and PyTorch
    (align_corners=False).

    Args:
        x: float [N, ..., C].
        factors: One for each axis of the places.
        interpolation: "nearest" | "bilinear" | "bilinear_half_pixel".

    Returns:
        [N, ..., C]; the sizes of the places are multiplied by their factors.

    Raises:
        ValueError: The number of factors is wrong, a factor is below 1, or the interpolation is unknown.

    Source: Keras 2.2.5, TensorFlow backend; TensorFlow 2.21 for half-pixel centres.
    """
    if len(factors) != x.ndim - 2 or any(factor < 1 for factor in factors):
        raise ValueError(f"resize: expected {x.ndim - 2} factors of at least 1 for shape {x.shape}, got {tuple(factors)}")
    if interpolation not in _RULES:
        raise ValueError(f'resize: interpolation should be one of "nearest" or "bilinear". Received: {interpolation!r}')
    axes = [_Upsampling(axis, n, factor) for axis, (n, factor) in enumerate(zip(x.shape[1:-1], factors), 1) if factor > 1]
    forward, back = _RULES[interpolation]
    # Columns before rows, as in TensorFlow.
    for axis in reversed(axes):
        x = forward(axis, x)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        for axis in axes:
            dy = back(axis, dy)
        return (dy,)

    return x, backward


class _Upsampling(NamedTuple):
    """The upsampling of one axis with `size` places by `factor`."""

    axis: int
    size: int
    factor: int

    def nearest(self, x: Array) -> Array:
        return np.repeat(x, self.factor, self.axis)

    def nearest_backward(self, dy: Array) -> Array:
        total: Array = self._folded(dy).sum(axis=self.axis + 1)
        return total

    def bilinear(self, x: Array) -> Array:
        at = np.arange(self.size)
        low = np.expand_dims(x, self.axis + 1)
        high = np.expand_dims(x.take(np.minimum(at + 1, self.size - 1), self.axis), self.axis + 1)
        y: Array = low + (high - low) * self._weights(x)
        return y.reshape(*x.shape[: self.axis], self.size * self.factor, *x.shape[self.axis + 1 :])

    def bilinear_backward(self, dy: Array) -> Array:
        weights, folded = self._weights(dy), self._folded(dy)
        to_high = (folded * weights).sum(axis=self.axis + 1)
        dx: Array = folded.sum(axis=self.axis + 1) - to_high
        # Views with the axis first. After the last place, both values are the last place's.
        into, given = np.moveaxis(dx, self.axis, 0), np.moveaxis(to_high, self.axis, 0)
        into[1:] += given[:-1]
        into[-1:] += given[-1:]
        return dx

    def half_pixel(self, x: Array) -> Array:
        # Each place between its neighbours; beyond the ends the last values count.
        at = np.arange(-1, self.size + 1).clip(0, self.size - 1)
        around = np.moveaxis(x.take(at, self.axis), self.axis, 0)
        y = np.empty((self.size, self.factor, *around.shape[1:]), x.dtype)
        for place, (first, weight) in enumerate(self._half_pixel_places()):
            low, high = around[first : first + self.size], around[first + 1 : first + 1 + self.size]
            y[:, place] = low + (high - low) * x.dtype.type(weight)
        return np.ascontiguousarray(np.moveaxis(y.reshape(-1, *around.shape[1:]), 0, self.axis))

    def half_pixel_backward(self, dy: Array) -> Array:
        folded = np.moveaxis(dy, self.axis, 0)
        folded = folded.reshape(self.size, self.factor, *folded.shape[1:])
        around = np.zeros((self.size + 2, *folded.shape[2:]), dy.dtype)
        for place, (first, weight) in enumerate(self._half_pixel_places()):
            to_high = folded[:, place] * dy.dtype.type(weight)
            around[first : first + self.size] += folded[:, place] - to_high
            around[first + 1 : first + 1 + self.size] += to_high
        dx = around[1:-1]
        dx[0] += around[0]
        dx[-1] += around[-1]
        return np.ascontiguousarray(np.moveaxis(dx, 0, self.axis))

    def _half_pixel_places(self) -> list[tuple[int, float]]:
        """For each of the `factor` places of one: which pair of neighbours (before and it: 0; it and after: 1), and the second's
        weight."""
        places = [(place + 0.5) / self.factor - 0.5 for place in range(self.factor)]
        return [(0, 1 + at) if at < 0 else (1, at) for at in places]

    def _weights(self, x: Array) -> Array:
        """The weights of the next place in the `factor` places made of one place, along axis + 1 of an array with one more axis."""
        weights = (np.arange(self.factor) / self.factor).astype(x.dtype)
        return weights.reshape(-1, *[1] * (x.ndim - self.axis - 1))

    def _folded(self, dy: Array) -> Array:
        """dy with its axis split into two: `size` and `factor`."""
        return dy.reshape(*dy.shape[: self.axis], self.size, self.factor, *dy.shape[self.axis + 1 :])


_RULES = {
    "nearest": (_Upsampling.nearest, _Upsampling.nearest_backward),
    "bilinear": (_Upsampling.bilinear, _Upsampling.bilinear_backward),
    "bilinear_half_pixel": (_Upsampling.half_pixel, _Upsampling.half_pixel_backward),
}
