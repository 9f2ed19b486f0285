"""Metrics: functions (y_true, y_pred) -> one value per sample, averaged over batches; every loss is one, too. Objects of
class Metric count over the whole epoch.

Source: Keras 2.2.5. A metric of one's own may be plain NumPy; an object may declare `direction`, "min" or "max".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamella.core import configurable
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
from lamella.metrics.accuracies import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from lamella.metrics.auc import AUC
from lamella.metrics.confusion import FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives
from lamella.metrics.means import (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanIoU,
    MeanMetricWrapper,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
)
from lamella.metrics.streaming import Metric

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
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "CategoricalAccuracy", "CategoricalCrossentropy",
    "CategoricalHinge", "CosineSimilarity", "FalseNegatives", "FalsePositives", "Hinge", "KLDivergence", "LogCoshError",
    "MAE", "MAPE", "MSE", "MSLE", "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU",
    "MeanMetricWrapper", "MeanSquaredError", "MeanSquaredLogarithmicError", "Metric", "Poisson", "Precision", "Recall",
    "RootMeanSquaredError", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SquaredHinge", "Sum", "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives",
    "binary_accuracy", "binary_crossentropy", "categorical_accuracy", "categorical_crossentropy", "categorical_hinge",
    "cosine", "cosine_proximity", "deserialize", "get", "hinge", "kullback_leibler_divergence", "logcosh", "mae",
    "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize", "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy", "squared_hinge",
    "top_k_categorical_accuracy",
]  # fmt: skip
