"""Checks of the targets of losses: arrays of the prediction's shape, or labels of classes."""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array
from lamella.ops.arrays import contiguous


def target_like(p: Array, y: Array, who: str) -> Array:
    """y, contiguous and with p's dtype, as the kernels need it.

    Raises:
        ValueError: The shapes of p and y differ.
    """
    if p.shape != y.shape or p.ndim == 0:
        raise ValueError(f"{who}: expected targets of the prediction's shape {p.shape}, got {y.shape}")
    return contiguous(y if y.dtype == p.dtype else y.astype(p.dtype))


def labels_for(p: Array, y: Array, who: str) -> Array:
    """The labels y as contiguous int64. The kernels check their range.

    Raises:
        ValueError: The shape is neither p.shape[:-1] nor p.shape[:-1] + (1,), or a label is NaN or infinite.
    """
    if p.ndim == 0 or (y.shape != p.shape[:-1] and y.shape != (*p.shape[:-1], 1)):
        raise ValueError(f"{who}: expected labels of shape {p.shape[:-1]} for predictions {p.shape}, got {y.shape}")
    if y.dtype != np.int64:
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError(f"{who}: expected labels in [0, {p.shape[-1]}), got NaN or infinity")
        y = y.astype(np.int64)
    return contiguous(y)


def label_error(p: Array, y: Array, error: ValueError) -> ValueError:
    """The error to raise in place of a kernel's error: if labels are out of range, it names the range."""
    if y.size and (y.min() < 0 or y.max() >= p.shape[-1]):
        return ValueError(f"sparse_categorical_crossentropy: expected labels in [0, {p.shape[-1]}), got {y.min()} to {y.max()}")
    return error
