"""Gaussian noise that is added to x or multiplied with it. It depends only on the key and on the shape and dtype of x."""

from __future__ import annotations

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, in_place_of
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def gaussian_noise(x: Array, *, stddev: float, key: tuple[int, int]) -> tuple[Array, Backward]:
    """x + stddev * n, n standard normal.

    Args:
        x: float, any shape.
        stddev: The standard deviation.
        key: (seed, offset), each below 2**63. The same key, shape and dtype give the same noise.
    """
    x = contiguous(x)
    y = empty_like(x)
    _kernels.gaussian_noise(x, stddev, 0, *key, y)
    return y, lambda dy, need: (dy,)


@differentiable
def gaussian_dropout(x: Array, *, rate: float, key: tuple[int, int]) -> tuple[Array, Backward]:
    """x * (1 + sqrt(rate / (1 - rate)) * n), n standard normal.

    Args:
        x: float, any shape.
        rate: In (0, 1). The noise has the same variance as dropout with this rate.
        key: As in `gaussian_noise`.

    Source: Srivastava et al., 2014; Keras 2.2.5.
    """
    stddev = (rate / (1 - rate)) ** 0.5
    x = contiguous(x)
    y = empty_like(x)
    _kernels.gaussian_noise(x, stddev, 1, *key, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = in_place_of(dy)
        _kernels.gaussian_noise(dy, stddev, 1, *key, dx)
        return (dx,)

    return y, backward
