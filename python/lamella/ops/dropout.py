"""Dropout: the mask is a function of its key, so it is computed again on the way back and never kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def dropout(
    x: Array, *, rate: float, key: tuple[int, int], noise_shape: Sequence[int | None] | None = None
) -> tuple[Array, Backward]:
    """0 for a share `rate` of the elements, x / (1 - rate) for the others.

    Args:
        x: float, any shape.
        rate: X itself comes back unless 0 < rate < 1.
        key: (seed, offset), each below 2**63; the same key and shape give the same mask.
        noise_shape: Shape of the mask, broadcast to x's; None in it is x's own.

    Raises:
        ValueError: If noise_shape does not broadcast.

    Source: Keras 2.2.5.
    """
    if not 0 < rate < 1:
        return x, lambda dy, need: (dy,)
    seed, offset = key
    if noise_shape is not None:
        shape = tuple(own if n is None else n for own, n in zip(x.shape, noise_shape))
        if len(noise_shape) != x.ndim or any(n not in (1, own) for own, n in zip(x.shape, shape)):
            raise ValueError(f"dropout: noise_shape {tuple(noise_shape)} does not broadcast to {x.shape}")
        if shape != x.shape:
            mask = np.ones(shape, x.dtype)
            _kernels.dropout(mask, rate, seed, offset, mask)
            return x * mask, lambda dy, need: (dy * mask,)
    x = contiguous(x)
    y = empty_like(x)
    _kernels.dropout(x, rate, seed, offset, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(y)
        _kernels.dropout(contiguous(dy), rate, seed, offset, dx)
        return (dx,)

    return y, backward
