"""Images, steps and volumes with more places, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamella.core.types import Array
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def resize(x: Array, *, factors: Sequence[int], interpolation: str = "nearest") -> tuple[Array, Backward]:
    """factors[i] times as many places along axis i + 1.

    "nearest": place o of the result is place o // f of x. "bilinear": it lies at o / f, between two places of x, from which it
    is interpolated; past the last place that one counts. So does TensorFlow 1, without half-pixel centres; tf.keras, Keras 3
    and PyTorch (align_corners=False) take (o + 0.5) / f - 0.5.

    Args:
        x: float [N, ..., C].
        factors: One for each axis between.
        interpolation: "nearest" | "bilinear".

    Returns:
        [N, ..., C] with the sizes between multiplied by their factors.

    Raises:
        ValueError: Another number of factors, a factor below 1, another interpolation.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    if len(factors) != x.ndim - 2 or any(factor < 1 for factor in factors):
        raise ValueError(f"resize: expected {x.ndim - 2} factors of at least 1 for shape {x.shape}, got {tuple(factors)}")
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f'resize: interpolation should be one of "nearest" or "bilinear". Received: {interpolation!r}')
    stretches = [_Stretch(axis, n, factor) for axis, (n, factor) in enumerate(zip(x.shape[1:-1], factors), 1) if factor > 1]
    forward = _Stretch.nearest if interpolation == "nearest" else _Stretch.bilinear
    # Columns before rows, as TensorFlow does it.
    for stretch in reversed(stretches):
        x = forward(stretch, x)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        for stretch in stretches:
            dy = stretch.nearest_back(dy) if interpolation == "nearest" else stretch.bilinear_back(dy)
        return (dy,)

    return x, backward


class _Stretch(NamedTuple):
    """One axis of `size` places, each of which becomes `factor`."""

    axis: int
    size: int
    factor: int

    def nearest(self, x: Array) -> Array:
        return np.repeat(x, self.factor, self.axis)

    def nearest_back(self, dy: Array) -> Array:
        total: Array = self._folded(dy).sum(axis=self.axis + 1)
        return total

    def bilinear(self, x: Array) -> Array:
        at = np.arange(self.size)
        low = np.expand_dims(x, self.axis + 1)
        high = np.expand_dims(x.take(np.minimum(at + 1, self.size - 1), self.axis), self.axis + 1)
        y: Array = low + (high - low) * self._weights(x)
        return y.reshape(*x.shape[: self.axis], self.size * self.factor, *x.shape[self.axis + 1 :])

    def bilinear_back(self, dy: Array) -> Array:
        weights, folded = self._weights(dy), self._folded(dy)
        to_high = (folded * weights).sum(axis=self.axis + 1)
        dx: Array = folded.sum(axis=self.axis + 1) - to_high
        # View: the axis first. The last place is its own neighbour.
        into, given = np.moveaxis(dx, self.axis, 0), np.moveaxis(to_high, self.axis, 0)
        into[1:] += given[:-1]
        into[-1:] += given[-1:]
        return dx

    def _weights(self, x: Array) -> Array:
        """How far the `factor` places made of one lie towards the next, along axis + 1 of what has one axis more than x."""
        weights = (np.arange(self.factor) / self.factor).astype(x.dtype)
        return weights.reshape(-1, *[1] * (x.ndim - self.axis - 1))

    def _folded(self, dy: Array) -> Array:
        return dy.reshape(*dy.shape[: self.axis], self.size, self.factor, *dy.shape[self.axis + 1 :])
