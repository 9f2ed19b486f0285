"""Ops that move elements and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

from typing import Any

import numpy as np

from lamella.ops.tape import Array, Backward, Gradients, differentiable


@differentiable
def reshape(x: Array, *, shape: Sequence[int]) -> tuple[Array, Backward]:
    """x with another shape, in C order; one entry may be -1. Raises ValueError if the sizes differ."""
    before = x.shape
    return x.reshape(shape), lambda dy, need: (dy.reshape(before),)


@differentiable
def transpose(x: Array, *, axes: Sequence[int] | None = None) -> tuple[Array, Backward]:
    """Axis i of the result is axis axes[i] of x; None reverses them. A view: the next kernel copies it once."""
    back = None if axes is None else np.argsort([axis % x.ndim for axis in axes])
    return x.transpose(axes), lambda dy, need: (dy.transpose(back),)


@differentiable
def concatenate(*xs: Array, axis: int = -1) -> tuple[Array, Backward]:
    """The arrays one after another along `axis`. Raises ValueError if their other axes differ."""
    ends = np.cumsum([x.shape[axis] for x in xs])[:-1]
    return np.concatenate(xs, axis=axis), lambda dy, need: tuple(np.split(dy, ends, axis=axis))


@differentiable
def getitem(x: Array, *, key: Any) -> tuple[Array, Backward]:
    """x[key]: integers, slices, arrays of either: all that NumPy takes."""
    y = np.asarray(x[key])

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = np.zeros_like(x)
        np.add.at(dx, key, dy)  # an element may be picked twice
        return (dx,)

    return y, backward
