"""Upsampling of sequences, images and volumes. Channels last."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, is_of_kernels
from lamella.ops.tape import Backward, Gradients, differentiable

_INTERPOLATIONS = "nearest", "bilinear", "bilinear_half_pixel"


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
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"resize: interpolation should be one of {_INTERPOLATIONS}. Received: {interpolation!r}")
    if all(factor == 1 for factor in factors):
        return x, lambda dy, need: (dy,)
    before, dtype = x.shape, x.dtype
    steps = _steps(before, factors, interpolation)
    x = x if is_of_kernels(x) else x.astype(np.float64)
    for step in steps:
        x = step.forward(x)
    after = (before[0], *(n * factor for n, factor in zip(before[1:-1], factors)), before[-1])

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        for step in reversed(steps):
            dy = step.backward(dy)
        return (dy.reshape(before),)

    return x.reshape(after).astype(dtype, copy=False), backward


# For each place of the result a place of x, and the weight of the next one.
_Places = tuple[Array, Array]
_ONE: _Places = np.zeros(1, np.int64), np.zeros(1)


@functools.lru_cache(64)
def _places(size: int, factor: int, interpolation: str) -> _Places:
    at = np.arange(size * factor)
    if interpolation == "nearest":
        return at // factor, np.zeros(len(at))
    # Beyond the ends the last values count.
    between = at / factor if interpolation == "bilinear" else (at + 0.5) / factor - 0.5
    between = between.clip(0, max(size - 1, 0))
    low = np.floor(between).astype(np.int64)
    return low, between - low


class _Step(NamedTuple):
    """A call of the kernels for two of the axes."""

    shape: tuple[int, int, int, int]  # of x, as images
    rows: _Places
    columns: _Places

    def forward(self, x: Array) -> Array:
        y = empty_like(x, self._after())
        _kernels.resize_forward(contiguous(x).reshape(self.shape), *self.rows, *self.columns, y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = empty_like(dy, self.shape)
        _kernels.resize_backward(contiguous(dy).reshape(self._after()), *self.rows, *self.columns, dx)
        return dx

    def _after(self) -> tuple[int, int, int, int]:
        return self.shape[0], len(self.rows[0]), len(self.columns[0]), self.shape[3]


def _steps(shape: Sequence[int], factors: Sequence[int], interpolation: str) -> list[_Step]:
    """Two axes at a time, from the last ones on: columns before rows, as in TensorFlow."""
    sizes, steps = list(shape[:-1]), []
    inner = shape[-1]  # elements of a place of the last axis of `sizes`
    for i in range(len(factors), 0, -2):
        columns = _places(sizes.pop(), factors[i - 1], interpolation)
        height, rows = (sizes[-1], _places(sizes.pop(), factors[i - 2], interpolation)) if i > 1 else (1, _ONE)
        width = len(columns[0]) // factors[i - 1]
        steps.append(_Step((count(sizes), height, width, inner), rows, columns))
        inner *= len(rows[0]) * len(columns[0])
    return steps
