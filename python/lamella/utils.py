"""Utilities of the Keras API."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.random import set_random_seed as set_random_seed
from lamella.core.registry import custom_object_scope as custom_object_scope
from lamella.core.registry import get_custom_objects as get_custom_objects

CustomObjectScope = custom_object_scope


def to_categorical(y: ArrayLike, num_classes: int | None = None, dtype: str = "float32") -> NDArray[np.generic]:
    """Class labels as one-hot rows.

    Args:  y: integers in [0, num_classes), any shape; a last axis of size 1 is dropped.  num_classes: None or 0: max + 1.
    Returns:  dtype [*shape, num_classes].
    Raises:  ValueError for labels outside the classes, and for numbers that are no integers.
    Source:  Keras 2.2.5, which lets negative labels wrap around.
    """
    labels = np.asarray(y)
    if labels.dtype.kind not in "biuf" or (labels.dtype.kind == "f" and np.any(labels != np.floor(labels))):
        raise ValueError(f"to_categorical: expected integer labels, got {labels.dtype}")
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError("to_categorical: expected integer labels, got inf")
    if num_classes is not None and (not isinstance(num_classes, (int, np.integer)) or num_classes < 0):
        raise ValueError(f"to_categorical: expected num_classes to be a positive integer, got {num_classes!r}")
    flat = labels.astype(np.int64).ravel()
    if not num_classes and flat.size and flat.min() < 0:
        raise ValueError(f"to_categorical: expected no label below 0, got {flat.min()}")
    classes = num_classes or (int(flat.max()) + 1 if flat.size else 0)
    if flat.size and (flat.min() < 0 or flat.max() >= classes):
        raise ValueError(f"to_categorical: expected labels in [0, {classes}), got {flat.min()} to {flat.max()}")
    one_hot = np.zeros((flat.size, classes), dtype)
    one_hot[np.arange(flat.size), flat] = 1
    return one_hot.reshape(*shape, classes)
