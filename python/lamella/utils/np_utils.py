"""One-hot labels and normalized rows, as NumPy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def to_categorical(y: ArrayLike, num_classes: int | None = None, dtype: str = "float32") -> NDArray[np.generic]:
    """Class labels as one-hot rows.

    Args:
        y: Integers in [0, num_classes), of any shape, also as strings. A last axis of size 1 is dropped.
        num_classes: Number of classes. None or 0 means the largest label plus 1.
        dtype: Dtype of the result.

    Returns:
        dtype [*shape, num_classes].

    Raises:
        ValueError: A label is not an integer, or not in [0, num_classes).

    Source: Keras 2.2.5, which counts negative labels from the end and truncates fractions.
    """
    labels = _numbers(y)
    if labels.dtype.kind == "f" and np.any(labels != np.floor(labels)):
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


def _numbers(y: ArrayLike) -> NDArray[np.generic]:
    labels = np.asarray(y)
    if labels.dtype.kind in "OSU":  # a column of a table has strings, or objects that are numbers
        try:
            return labels.astype(np.float64)
        except (TypeError, ValueError):
            pass
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"to_categorical: expected integer labels, got {labels.dtype}")
    return labels


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> NDArray[np.generic]:
    """x divided by its norms along an axis. Where a norm is 0, x is unchanged.

    Args:
        x: Numbers of any shape.
        axis: The axis.
        order: Order of the norm, as numpy.linalg.norm takes it for vectors.

    Source: Keras 2.2.5.
    """
    array = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    quotient: NDArray[np.generic] = array / np.expand_dims(norms, axis)
    return quotient
