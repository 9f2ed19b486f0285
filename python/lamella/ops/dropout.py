"""Dropout: the mask is a function of its key, so the backward pass computes it again, and it is not stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.activations import SELU_ALPHA, SELU_SCALE
from lamella.ops.arrays import contiguous, empty_like, in_place_of
from lamella.ops.broadcast import elementwise
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def dropout(
    x: Array, *, rate: float, key: tuple[int, int], noise_shape: Sequence[int | None] | None = None
) -> tuple[Array, Backward]:
    """0 for a fraction `rate` of the elements, x / (1 - rate) for the others.

    Args:
        x: float, any shape.
        rate: The fraction. Unless 0 < rate < 1, x itself is returned.
        key: (seed, offset), each below 2**63. The same key and shape give the same mask.
        noise_shape: Shape of the mask, which is broadcast to x; None in it stands for the size of x.

    Raises:
        ValueError: noise_shape cannot be broadcast to x.

    Source: Keras 2.2.5.
    """
    if not 0 < rate < 1:
        return x, lambda dy, need: (dy,)
    seed, offset = key
    shape = _mask_shape(x, noise_shape, "dropout")
    if shape != x.shape:
        mask = np.ones(shape, x.dtype)
        _kernels.dropout(mask, rate, seed, offset, mask)
        return elementwise(np.multiply, x, mask), lambda dy, need: (elementwise(np.multiply, dy, mask),)
    x = contiguous(x)
    y = empty_like(x)
    _kernels.dropout(x, rate, seed, offset, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = in_place_of(dy)
        _kernels.dropout(dy, rate, seed, offset, dx)
        return (dx,)

    return y, backward


@differentiable
def alpha_dropout(
    x: Array, *, rate: float, key: tuple[int, int], noise_shape: Sequence[int | None] | None = None
) -> tuple[Array, Backward]:
    """a * x' + b, which keeps the mean and variance of selu's outputs.

    x' is x, with selu's lower limit in place of a fraction `rate` of the elements.

    Args:
        x: float, any shape.
        rate: In (0, 1).
        key: As in `dropout`; the mask is the same.
        noise_shape: As in `dropout`.

    Raises:
        ValueError: noise_shape cannot be broadcast to x.

    Source: arXiv 1706.02515; Keras 2.2.5.
    """
    mask = np.ones(_mask_shape(x, noise_shape, "alpha_dropout"), x.dtype)
    _kernels.dropout(mask, rate, *key, mask)
    limit = -SELU_SCALE * SELU_ALPHA
    a = ((1 - rate) * (1 + rate * limit**2)) ** -0.5
    kept = mask > 0
    slope = np.where(kept, a, 0).astype(x.dtype)
    offset = np.where(kept, -a * limit * rate, a * limit * (1 - rate)).astype(x.dtype)
    return x * slope + offset, lambda dy, need: (dy * slope,)


def _mask_shape(x: Array, noise_shape: Sequence[int | None] | None, who: str) -> tuple[int, ...]:
    if noise_shape is None:
        return x.shape
    shape = tuple(own if n is None else n for own, n in zip(x.shape, noise_shape))
    if len(noise_shape) != x.ndim or any(n not in (1, own) for own, n in zip(x.shape, shape)):
        raise ValueError(f"{who}: noise_shape {tuple(noise_shape)} does not broadcast to {x.shape}")
    return shape
