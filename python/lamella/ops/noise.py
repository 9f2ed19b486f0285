"""Gaussian noise that is added to x or multiplied with it. It depends only on the key and on the shape and dtype of x."""

from __future__ import annotations

import numpy as np

from lamella.core.random import generator_of
from lamella.core.types import Array
from lamella.ops.tape import Backward, differentiable


def _normal(x: Array, key: tuple[int, int]) -> Array:
    return generator_of(key).standard_normal(x.shape, x.dtype)


@differentiable
def gaussian_noise(x: Array, *, stddev: float, key: tuple[int, int]) -> tuple[Array, Backward]:
    """x + stddev * n, n standard normal.

    Args:
        x: float, any shape.
        stddev: The standard deviation.
        key: (seed, offset), each below 2**63. The same key, shape and dtype give the same noise.
    """
    y = _normal(x, key)
    y *= stddev
    y += x
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
    noise = _normal(x, key)
    noise *= np.sqrt(rate / (1 - rate))
    noise += 1
    return x * noise, lambda dy, need: (dy * noise,)
