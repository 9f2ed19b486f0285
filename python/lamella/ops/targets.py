"""What losses want of targets: the prediction's shape, or labels of classes."""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array
from lamella.ops.arrays import contiguous


def target_beside(p: Array, y: Array, who: str) -> Array:
    """y as the kernels want it beside p. Raises ValueError if the shapes differ."""
    if p.shape != y.shape or p.ndim == 0:
        raise ValueError(f"{who}: expected targets of the prediction's shape {p.shape}, got {y.shape}")
    return contiguous(y if y.dtype == p.dtype else y.astype(p.dtype))


def labels_beside(p: Array, y: Array, who: str) -> Array:
    """y as int64, of shape p.shape[:-1] or p.shape[:-1] + (1,). The kernels check the range."""
    if p.ndim == 0 or (y.shape != p.shape[:-1] and y.shape != (*p.shape[:-1], 1)):
        raise ValueError(f"{who}: expected labels of shape {p.shape[:-1]} beside predictions {p.shape}, got {y.shape}")
    if y.dtype != np.int64:
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError(f"{who}: expected labels in [0, {p.shape[-1]}), got NaN or infinity")
        y = y.astype(np.int64)
    return contiguous(y)


def labels_outside(p: Array, y: Array, error: ValueError) -> ValueError:
    """The error to raise for one of a kernel, in the user's words if it is about the labels."""
    if y.size and (y.min() < 0 or y.max() >= p.shape[-1]):
        return ValueError(f"sparse_categorical_crossentropy: expected labels in [0, {p.shape[-1]}), got {y.min()} to {y.max()}")
    return error
