"""Metrics: functions (y_true, y_pred) -> one value per sample, averaged over batches; every loss is one, too.

Source: Keras 2.2.5. A metric of one's own may be plain NumPy; an object may declare `direction`, "min" or "max".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core import configurable, registry
from lamella.core.config import floatx
from lamella.core.registry import register
from lamella.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine,
    cosine_proximity,
    hinge,
    kullback_leibler_divergence,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from lamella.ops.tape import value_of

Array = NDArray[Any]

for _loss, _aliases in (
    (mean_squared_error, ("mse", "MSE")),
    (mean_absolute_error, ("mae", "MAE")),
    (mean_absolute_percentage_error, ("mape", "MAPE")),
    (mean_squared_logarithmic_error, ("msle", "MSLE")),
    (kullback_leibler_divergence, ("kld", "KLD")),
    (cosine_proximity, ("cosine",)),
    *((f, ()) for f in (binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy)),
    *((f, ()) for f in (hinge, squared_hinge, categorical_hinge, logcosh, poisson)),
):
    register("metrics", *_aliases)(_loss)


def _arrays(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    return value_of(y_true), value_of(y_pred)  # type: ignore[return-value]  # None comes out only where None went in


def _floats(hits: NDArray[np.bool_]) -> Array:
    return hits.astype(floatx())


@register("metrics")
def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """mean over the last axis of round(p) == y; half goes to even, so 0.5 counts as 0."""
    y, p = _arrays(y_true, y_pred)
    hits: NDArray[np.bool_] = y == np.rint(p)
    # A mean over one column would only cost.
    return _floats(hits[..., 0]) if hits.shape[-1] == 1 else hits.mean(axis=-1, dtype=floatx())


@register("metrics")
def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """argmax p == argmax y"""
    y, p = _arrays(y_true, y_pred)
    return _floats(y.argmax(axis=-1) == p.argmax(axis=-1))


@register("metrics")
def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """argmax p == y, for class labels y [..., 1] or [...]"""
    y, p = _arrays(y_true, y_pred)
    best = p.argmax(axis=-1)
    return _floats(y.reshape(best.shape) == best)


@register("metrics")
def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Whether argmax y is among the k largest p: fewer than k are larger."""
    y, p = _arrays(y_true, y_pred)
    return _in_top_k(y.argmax(axis=-1), p, k)


@register("metrics")
def sparse_top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """The same for class labels y."""
    y, p = _arrays(y_true, y_pred)
    return _in_top_k(y.reshape(p.shape[:-1]).astype(np.intp), p, k)


def _in_top_k(labels: Array, p: Array, k: int) -> Array:
    scores = np.take_along_axis(p, labels[..., None], axis=-1)
    return _floats(((p > scores).sum(axis=-1) < k) & np.isfinite(scores[..., 0]))


def serialize(metric: Any) -> Any:
    """The name of a metric function."""
    return configurable.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric of that name or config. Raises ValueError "Unknown metric function: ..."."""
    return configurable.deserialize("metrics", config, custom_objects)


def get(identifier: Any) -> Callable[..., Any]:
    """A name or config, or a function as it is. Raises ValueError for anything else."""
    if isinstance(identifier, (str, Mapping)):
        found: Callable[..., Any] = deserialize(identifier)
        return found
    if callable(identifier):
        function: Callable[..., Any] = identifier
        return function
    raise ValueError(f"Could not interpret metric function identifier: {identifier}")


MSE = mse
MAE = mae
MAPE = mape
MSLE = msle
__all__ = [
    "MAE", "MAPE", "MSE", "MSLE", "binary_accuracy", "binary_crossentropy", "categorical_accuracy",
    "categorical_crossentropy", "categorical_hinge", "cosine", "cosine_proximity", "deserialize", "get", "hinge",
    "kullback_leibler_divergence", "logcosh", "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize",
    "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
    "squared_hinge", "top_k_categorical_accuracy",
]  # fmt: skip
