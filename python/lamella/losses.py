"""Losses: functions (y_true, y_pred) -> one value per row, over the last axis. Source: Keras 2.2.5.

A loss of one's own is any such function, written with `lamella.backend` or Python's operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from math import log as _log
from typing import Any

from lamella.core import configurable, registry
from lamella.core.config import epsilon
from lamella.core.registry import register
from lamella.ops import activations, math, reduce
from lamella.ops import losses as rows

# Arrays come in and arrays go out; under a tape y_pred is a Tensor and so is the result.
Value = Any


@register("losses", "mse", "MSE")
def mean_squared_error(y_true: Value, y_pred: Value) -> Value:
    """mean (p - y)^2"""
    return rows.squared_error(y_pred, y_true)


@register("losses", "mae", "MAE")
def mean_absolute_error(y_true: Value, y_pred: Value) -> Value:
    """mean |p - y|"""
    return rows.absolute_error(y_pred, y_true)


@register("losses", "mape", "MAPE")
def mean_absolute_percentage_error(y_true: Value, y_pred: Value) -> Value:
    """100 * mean |(y - p) / max(|y|, epsilon)|"""
    scale = _at_least(math.abs(y_true), epsilon())
    share: Value = reduce.mean(math.abs((y_true - y_pred) / scale), axis=-1)
    return share * 100.0


@register("losses", "msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Value, y_pred: Value) -> Value:
    """mean (log(max(p, epsilon) + 1) - log(max(y, epsilon) + 1))^2"""
    first: Value = math.log(_at_least(y_pred, epsilon()) + 1.0)
    second = math.log(_at_least(y_true, epsilon()) + 1.0)
    return reduce.mean(math.square(first - second), axis=-1)


@register("losses")
def squared_hinge(y_true: Value, y_pred: Value) -> Value:
    """mean max(1 - y*p, 0)^2, with y in {-1, 1}"""
    return reduce.mean(math.square(activations.relu(1.0 - y_true * y_pred)), axis=-1)


@register("losses")
def hinge(y_true: Value, y_pred: Value) -> Value:
    """mean max(1 - y*p, 0), with y in {-1, 1}"""
    return reduce.mean(activations.relu(1.0 - y_true * y_pred), axis=-1)


@register("losses")
def categorical_hinge(y_true: Value, y_pred: Value) -> Value:
    """max(0, max((1-y)*p) - sum(y*p) + 1)"""
    right: Value = reduce.sum(y_true * y_pred, axis=-1)
    wrong: Value = reduce.max((1.0 - y_true) * y_pred, axis=-1)
    return activations.relu(wrong - right + 1.0)


@register("losses")
def logcosh(y_true: Value, y_pred: Value) -> Value:
    """mean log(cosh(p - y)), as x + softplus(-2x) - log 2, which does not overflow"""
    x = y_pred - y_true
    return reduce.mean(x + activations.softplus(-2.0 * x) - _log(2.0), axis=-1)


@register("losses")
def categorical_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """-sum y log(p / sum p), p clipped to [epsilon, 1 - epsilon]"""
    return rows.categorical_crossentropy(y_pred, y_true)


@register("losses")
def sparse_categorical_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """-log p[y] for class labels y [..., 1] or [...]"""
    return rows.sparse_categorical_crossentropy(y_pred, y_true)


@register("losses")
def binary_crossentropy(y_true: Value, y_pred: Value) -> Value:
    """mean -(y log p + (1-y) log(1-p)), p clipped to [epsilon, 1 - epsilon]"""
    return rows.binary_crossentropy(y_pred, y_true)


@register("losses", "kld", "KLD")
def kullback_leibler_divergence(y_true: Value, y_pred: Value) -> Value:
    """sum y log(y / p), both clipped to [epsilon, 1]"""
    y: Value = math.clip(y_true, low=epsilon(), high=1.0)
    p: Value = math.clip(y_pred, low=epsilon(), high=1.0)
    ratio: Value = math.log(y / p)
    return reduce.sum(y * ratio, axis=-1)


@register("losses")
def poisson(y_true: Value, y_pred: Value) -> Value:
    """mean p - y log(p + epsilon)"""
    return reduce.mean(y_pred - y_true * math.log(y_pred + epsilon()), axis=-1)


@register("losses", "cosine")
def cosine_proximity(y_true: Value, y_pred: Value) -> Value:
    """-cos(y, p)"""
    cosine: Value = reduce.sum(_unit(y_true) * _unit(y_pred), axis=-1)
    return -cosine


def _at_least(x: Value, low: float) -> Value:
    return math.clip(x, low=low, high=inf)


def _unit(x: Value) -> Value:
    # 1e-12 under the root: the backend's l2_normalize.
    return x / math.sqrt(_at_least(reduce.sum(math.square(x), axis=-1, keepdims=True), 1e-12))


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine = cosine_proximity


def serialize(loss: Any) -> Any:
    """The name of a loss function."""
    return configurable.serialize(loss)


def deserialize(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss of that name. Raises ValueError "Unknown loss function: ..."."""
    return registry.get("losses", name, custom_objects)


def get(identifier: Any) -> Any:
    """A name, or a function as it is; None stays None. Raises ValueError for anything else."""
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, str):
        return deserialize(identifier)
    raise ValueError(f"Could not interpret loss function identifier: {identifier}")
