"""Accuracies: functions (y_true, y_pred) -> one value per sample, averaged over batches. Source: Keras 2.2.5.

The arguments have numbers of any dtype, and the result has floatx.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.config import floatx
from lamella.core.graphs import accepts_symbolic
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.ops.tape import value_of


def _arrays(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    return value_of(y_true), value_of(y_pred)  # type: ignore[return-value]  # value_of returns None only for None


def _floats(hits: NDArray[np.bool_]) -> Array:
    return hits.astype(floatx())


@register("metrics")
@accepts_symbolic("metrics")
def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """The mean over the last axis of round(p) == y. 0.5 is rounded to the even number 0.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    y, p = _arrays(y_true, y_pred)
    hits: NDArray[np.bool_] = y == np.rint(p)
    # One column needs no mean.
    return _floats(hits[..., 0]) if hits.shape[-1] == 1 else hits.mean(axis=-1, dtype=floatx())


@register("metrics")
@accepts_symbolic("metrics")
def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Whether argmax p == argmax y.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    y, p = _arrays(y_true, y_pred)
    return _floats(y.argmax(axis=-1) == p.argmax(axis=-1))


@register("metrics")
@accepts_symbolic("metrics")
def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Whether argmax p == y.

    Args:
        y_true: The values that the model should output: class labels, [...] or [..., 1].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    """
    y, p = _arrays(y_true, y_pred)
    best = p.argmax(axis=-1)
    return _floats(y.reshape(best.shape) == best)


@register("metrics")
@accepts_symbolic("metrics")
def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Whether argmax y is among the k largest p: fewer than k are larger.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].
        k: Number of predictions that count.

    Returns:
        One value for each row, [...].
    """
    y, p = _arrays(y_true, y_pred)
    return _in_top_k(y.argmax(axis=-1), p, k)


@register("metrics")
@accepts_symbolic("metrics")
def sparse_top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Whether y is among the k largest p. A label that is not a class of p never is.

    Args:
        y_true: The values that the model should output: class labels, [...] or [..., 1].
        y_pred: The model's outputs, [..., C].
        k: Number of predictions that count.

    Returns:
        One value for each row, [...].
    """
    y, p = _arrays(y_true, y_pred)
    given = y.reshape(p.shape[:-1])
    known = (given >= 0) & (given < p.shape[-1]) & (given == np.trunc(given))
    return _in_top_k(np.where(known, given, 0).astype(np.intp), p, k) * _floats(known)


def _in_top_k(labels: Array, p: Array, k: int) -> Array:
    scores = np.take_along_axis(p, labels[..., None], axis=-1)
    return _floats(((p > scores).sum(axis=-1) < k) & np.isfinite(scores[..., 0]))
