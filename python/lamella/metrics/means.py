"""Means over all samples of an epoch, and the metrics of tf.keras that are means of a function. Source: tf.keras 2.10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import losses
from lamella.core import configurable
from lamella.core.configurable import Config
from lamella.core.registry import register
from lamella.core.user_array import for_user, from_user, of_lamella
from lamella.losses.rows import last_axis, spread
from lamella.metrics import accuracies
from lamella.metrics.streaming import Metric
from lamella.ops.tape import value_of

M = TypeVar("M", bound="MeanMetricWrapper")


class _WeightedMean(Metric):
    """sum(w * v) and sum(w) of all values so far."""

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self._total = self._count = 0.0

    def add(self, values: ArrayLike, sample_weight: ArrayLike | None) -> None:
        """Add values.

        Args:
            values: An array of any shape.
            sample_weight: None, a number, or an array of the same first axes. A weight applies to all values of its row.

        Raises:
            ValueError: The shapes do not fit.
        """
        plain: NDArray[Any] = np.asarray(value_of(values), np.float64)
        if sample_weight is None:
            self._total += float(plain.sum())
            self._count += plain.size
            return
        weights = spread(np.asarray(value_of(sample_weight), np.float64), plain.shape, self.name)
        self._total += float((plain * weights).sum())
        self._count += float(np.broadcast_to(weights, plain.shape).sum())

    def result(self) -> float:
        return self._total / self._count if self._count else 0.0

    def reset_states(self) -> None:
        self._total = self._count = 0.0


class _ValueMetric(_WeightedMean):
    """Takes values instead of y and predictions, for custom training loops."""

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        self.add(values, sample_weight)

    def __call__(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:  # type: ignore[override]
        self.update_state(values, sample_weight)
        return self.result()


@register("metrics")
class Mean(_ValueMetric):
    """sum(w * v) / sum(w) of all values so far; 0 before the first.

    Example:
        >>> from lamella.metrics import Mean
        >>> mean = Mean()
        >>> mean.update_state([1.0, 2.0]), mean.update_state(6.0)
        (None, None)
        >>> mean.result()
        3.0
    """


@register("metrics")
class Sum(_ValueMetric):
    """sum(w * v) of all values so far."""

    def result(self) -> float:
        return self._total


class _MeanOfRows(_WeightedMean):
    """The mean of a function over all rows of an epoch."""

    function: ClassVar[Callable[..., Any]]

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        """One value for each row of y_true and y_pred."""
        return type(self).function(y_true, y_pred)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch. Labels [N] fit predictions [N, 1], such as those of predict, and the reverse, as in tf.keras."""
        labels, predictions = (np.asarray(value_of(y)) for y in (y_true, y_pred))
        if labels.ndim != predictions.ndim:
            labels, predictions = _with_axis_of(labels, predictions), _with_axis_of(predictions, labels)
        self.add(self.rows(labels, predictions), sample_weight)

    def _check_shapes(self, labels: ArrayLike, predictions: ArrayLike) -> None:
        """For elementwise metrics: NumPy would broadcast unlike shapes.

        Raises:
            ValueError: The shapes differ.
        """
        if np.shape(labels) != np.shape(predictions):
            raise ValueError(
                f"{self.name}: expected labels of the prediction's shape {np.shape(predictions)}, got {np.shape(labels)}"
            )


def _with_axis_of(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a with a last axis of 1, if b has the same shape with such an axis."""
    return a[..., None] if b.shape == (*a.shape, 1) else a


@register("metrics")
class MeanMetricWrapper(_MeanOfRows):
    """The mean of a function over all rows of an epoch, each with its sample weight.

    Args:
        fn: Function of (y_true, y_pred) that returns one value for each row.
        name: Name of the column; None for the function's name.
        **kwargs: Further arguments of `fn`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: str | None = None, **kwargs: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self.fn = fn
        self.arguments = kwargs

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        if of_lamella(self.fn):
            return self.fn(y_true, y_pred, **self.arguments)
        return from_user(self.fn(for_user(y_true), for_user(y_pred), **self.arguments))

    def get_config(self) -> Config:
        return {"fn": configurable.serialize(self.fn), "name": self.name, "dtype": self.dtype, **self.arguments}

    @classmethod
    def from_config(cls: type[M], config: Config) -> M:
        return cls(**{**config, "fn": configurable.deserialize("metrics", config["fn"])})


@register("metrics")
class Accuracy(_MeanOfRows):
    """The fraction of predictions that equal y."""

    direction = "max"

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        self._check_shapes(y_true, y_pred)
        return np.asarray(y_true) == np.asarray(y_pred)


@register("metrics")
class BinaryAccuracy(_MeanOfRows):
    """The fraction of predictions on the right side of a threshold: (p > threshold) == y, averaged over the last axis.

    Args:
        threshold: The threshold.
    """

    direction = "max"

    def __init__(self, name: str | None = None, dtype: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        self._check_shapes(y_true, y_pred)
        return ((np.asarray(y_pred) > self.threshold) == np.asarray(y_true)).mean(axis=-1)


@register("metrics")
class CategoricalAccuracy(_MeanOfRows):
    """The fraction of rows in which the largest prediction is at the 1 of y."""

    direction = "max"
    function = staticmethod(accuracies.categorical_accuracy)


@register("metrics")
class SparseCategoricalAccuracy(_MeanOfRows):
    """The fraction of rows in which the largest prediction is at the class label."""

    direction = "max"
    function = staticmethod(accuracies.sparse_categorical_accuracy)


class _TopK(_MeanOfRows):
    """The fraction of rows whose class is among the k largest predictions.

    Args:
        k: Number of predictions that count.
    """

    direction = "max"

    def __init__(self, k: int = 5, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.k = k

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        return type(self).function(y_true, y_pred, k=self.k)


@register("metrics")
class TopKCategoricalAccuracy(_TopK):
    """The fraction of rows in which the 1 of y is among the k largest predictions."""

    function = staticmethod(accuracies.top_k_categorical_accuracy)


@register("metrics")
class SparseTopKCategoricalAccuracy(_TopK):
    """The fraction of rows in which the class label is among the k largest predictions."""

    function = staticmethod(accuracies.sparse_top_k_categorical_accuracy)


@register("metrics")
class RootMeanSquaredError(_MeanOfRows):
    """The root of the mean of (p - y)^2."""

    direction = "min"

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        self._check_shapes(y_true, y_pred)
        return np.square(np.asarray(y_pred) - np.asarray(y_true))

    def result(self) -> float:
        return float(np.sqrt(super().result()))


@register("metrics")
class CosineSimilarity(_MeanOfRows):
    """The mean of cos(y, p). 1 is the best value; the loss of this name is its negative.

    Args:
        axis: Must be -1, else ValueError.
    """

    direction = "max"

    def __init__(self, name: str | None = None, dtype: str | None = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = last_axis(axis, "CosineSimilarity")

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        return -losses.cosine_proximity(y_true, y_pred)
