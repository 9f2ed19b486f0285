"""The rows of losses with options, and their sum or mean, for loss objects.

Files of graphs contain the names of these functions, so they cannot be renamed.
"""

from __future__ import annotations

import numpy as np

from lamella import ops
from lamella.core.graphs import accepts_symbolic
from lamella.core.types import Array, Value
from lamella.ops.tape import Tensor, value_of


@accepts_symbolic("losses")
def reduced(rows: Value, sample_weight: Value, reduction: str) -> Value:
    """The rows of a loss, weighted and reduced."""
    if sample_weight is not None:
        plain: Value = value_of(rows)
        rows = ops.multiply(rows, spread(np.asarray(value_of(sample_weight), plain.dtype), plain.shape, "sample_weight"))
    if reduction == "none":
        return rows
    return ops.sum(rows) if reduction == "sum" else ops.mean(rows)


def spread(weights: Array, shape: tuple[int, ...], who: str) -> Array:
    """Sample weights in a form that NumPy broadcasts to rows of this shape.

    Args:
        weights: A number, or an array of the first axes of `shape`: a weight applies to all elements of its row. More axes, of size
            1, are dropped.
        shape: The shape of the rows.
        who: The start of the message.

    Raises:
        ValueError: The shapes do not fit.
    """
    while weights.ndim > len(shape) and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.shape != shape[: weights.ndim]:
        raise ValueError(f"{who}: expected sample weights of shape {shape}, or of its first axes, got {weights.shape}")
    return weights.reshape(*weights.shape, *[1] * (len(shape) - weights.ndim))


@accepts_symbolic("losses")
def signs(y: Value) -> Value:
    """The labels; if all are 0 or 1, they become -1 and 1."""
    labels = np.asarray(value_of(y))
    return 2 * labels - 1 if np.isin(labels, (0, 1)).all() else y


@accepts_symbolic("losses")
def binary(y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float) -> Value:
    """The rows of `BinaryCrossentropy`."""
    if label_smoothing:
        y_true = _mixed(y_true, y_pred, label_smoothing, 1 / 2)
    return ops.binary_crossentropy(y_pred, y_true, from_logits=from_logits)


@accepts_symbolic("losses")
def categorical(y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float) -> Value:
    """The rows of `CategoricalCrossentropy`."""
    if label_smoothing:
        y_true = _mixed(y_true, y_pred, label_smoothing, 1 / y_pred.shape[-1])
    return ops.categorical_crossentropy(y_pred, y_true, from_logits=from_logits)


@accepts_symbolic("losses")
def sparse(y_true: Value, y_pred: Value, from_logits: bool) -> Value:
    """The rows of `SparseCategoricalCrossentropy`."""
    return ops.sparse_categorical_crossentropy(y_pred, y_true, from_logits=from_logits)


def _mixed(y_true: Value, y_pred: Value, share: float, other: float) -> Value:
    """(1 - share) y + share * other, in the dtype of the predictions."""
    y = y_true if isinstance(y_true, Tensor) else np.asarray(y_true, y_pred.dtype)
    return ops.add(ops.multiply(y, 1 - share), share * other)


def smoothing(value: float, who: str) -> float:
    """label_smoothing as a float. Raise ValueError unless it is in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{who}: expected label_smoothing in [0, 1], got {value!r}")
    return float(value)


def last_axis(axis: int, who: str) -> int:
    """The axis. Raise ValueError unless it is -1."""
    if axis != -1:
        raise ValueError(f"{who}: rows must be along the last axis; expected axis=-1, got {axis!r}")
    return axis
