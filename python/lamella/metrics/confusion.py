"""Counts of right and wrong decisions at thresholds, and rates of these counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.registry import register
from lamella.core.types import Floats
from lamella.metrics.streaming import Metric, scores_of

Thresholds = float | Sequence[float] | None


def decisions(scores: NDArray[Any], positive: NDArray[np.bool_], weights: Floats, thresholds: Floats) -> tuple[Floats, Floats]:
    """The weights of positives and of negatives above each of the ascending thresholds. NaN is above no threshold."""
    flat = scores.ravel()
    # For each score, the number of thresholds strictly below it.
    above = np.where(np.isnan(flat), 0, np.searchsorted(thresholds, flat, side="left"))

    def over_thresholds(counting: NDArray[np.bool_]) -> Floats:
        counts = np.bincount(above, np.where(counting.ravel(), weights.ravel(), 0.0), len(thresholds) + 1)
        return np.cumsum(counts[::-1], dtype=np.float64)[::-1][1:]

    return over_thresholds(positive), over_thresholds(~positive)


def ratio(a: Any, b: Any) -> Floats:
    """a / b, and 0 where b is 0."""
    share: Floats = np.divide(a, b, out=np.zeros(np.shape(a)), where=np.asarray(b) != 0)
    return share


class _Counts(Metric):
    """Counts predictions above thresholds, over all batches. A label above one half is positive.

    Args:
        thresholds: A number or a list of numbers in [0, 1]. A prediction above it is positive. None is 0.5.
        name: Name of the column; None for the name of the class in snake_case.

    Raises:
        ValueError: A threshold is outside [0, 1].
    """

    def __init__(self, thresholds: Thresholds = None, name: str | None = None) -> None:
        super().__init__(name)
        self.thresholds = thresholds
        given = np.atleast_1d(np.asarray(0.5 if thresholds is None else thresholds, np.float64))
        if given.ndim != 1 or not given.size or not ((given >= 0) & (given <= 1)).all():
            raise ValueError(f"Threshold values must be in [0, 1]. Invalid values: {thresholds}")
        self._order = np.argsort(given, kind="stable")
        self._ascending = given[self._order]
        self.reset_states()

    def reset_states(self) -> None:
        self._true_positives = np.zeros(len(self._order))
        self._false_positives = np.zeros(len(self._order))
        self._positives = self._negatives = 0.0

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self._count(*scores_of(y_true, y_pred, sample_weight, self.name))

    def _count(self, scores: NDArray[Any], positive: NDArray[np.bool_], weights: Floats) -> None:
        right, wrong = decisions(scores, positive, weights, self._ascending)
        self._true_positives += right
        self._false_positives += wrong
        self._positives += float(weights[positive].sum())
        self._negatives += float(weights[~positive].sum())

    def _as_given(self, ascending: Floats) -> Any:
        """One value for each threshold in the user's order; a number if there is one threshold."""
        values = np.empty_like(ascending)
        values[self._order] = ascending
        return float(values[0]) if len(values) == 1 else values


@register("metrics")
class TruePositives(_Counts):
    """Positives above the threshold. Source: Keras 2.3."""

    direction: ClassVar[str | None] = "max"

    def result(self) -> Any:
        return self._as_given(self._true_positives)


@register("metrics")
class FalsePositives(_Counts):
    """Negatives above the threshold. Source: Keras 2.3."""

    direction: ClassVar[str | None] = "min"

    def result(self) -> Any:
        return self._as_given(self._false_positives)


@register("metrics")
class TrueNegatives(_Counts):
    """Negatives not above the threshold. Source: Keras 2.3."""

    direction: ClassVar[str | None] = "max"

    def result(self) -> Any:
        return self._as_given(self._negatives - self._false_positives)


@register("metrics")
class FalseNegatives(_Counts):
    """Positives not above the threshold. Source: Keras 2.3."""

    direction: ClassVar[str | None] = "min"

    def result(self) -> Any:
        return self._as_given(self._positives - self._true_positives)


class _CountsOfClasses(_Counts):
    """Counts for some of the classes.

    Args:
        top_k: Only the k largest predictions of a row (the first of equal ones) can be positive. Without thresholds all k are.
        class_id: Index of the last axis; only this class counts.
    """

    direction: ClassVar[str | None] = "max"

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(thresholds, name)
        for what, value, least in (("top_k", top_k, 1), ("class_id", class_id, 0)):
            if value is not None and (not isinstance(value, (int, np.integer)) or value < least):
                raise ValueError(f"{self.name}: expected {what} to be an integer of at least {least}, got {value!r}")
        if top_k is not None and thresholds is None:
            self._ascending = np.array([-1.0])  # below every prediction, but above -inf, which top_k sets
        self.top_k = top_k
        self.class_id = class_id

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        scores, positive, weights = scores_of(y_true, y_pred, sample_weight, self.name)
        if self.top_k is not None:
            ranks = np.argsort(np.argsort(-scores, axis=-1, kind="stable"), axis=-1, kind="stable")
            scores = np.where(ranks < self.top_k, scores, -np.inf)
        if self.class_id is not None:
            if not scores.ndim or self.class_id >= scores.shape[-1]:
                raise ValueError(f"{self.name}: class_id {self.class_id} is not among the classes of shape {scores.shape}")
            one = (..., self.class_id)
            scores, positive, weights = scores[one], positive[one], weights[one]
        self._count(scores, positive, weights)


@register("metrics")
class Precision(_CountsOfClasses):
    """The fraction of positives among the predictions above the threshold, or 0 without such predictions. Source: Keras 2.3."""

    def result(self) -> Any:
        return self._as_given(ratio(self._true_positives, self._true_positives + self._false_positives))


@register("metrics")
class Recall(_CountsOfClasses):
    """The fraction of the positives that are above the threshold, or 0 without positives. Source: Keras 2.3."""

    def result(self) -> Any:
        return self._as_given(ratio(self._true_positives, np.full(len(self._order), self._positives)))
