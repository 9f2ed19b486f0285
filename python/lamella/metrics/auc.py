"""AUC: the area under a curve of rates, over all samples of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.config import epsilon
from lamella.core.registry import register
from lamella.core.types import Floats
from lamella.metrics.confusion import decisions, ratio
from lamella.metrics.streaming import Metric, scores_of

_Part = tuple[Floats, NDArray[np.bool_], Floats]

_HEIGHTS: dict[str, Callable[[Floats], Floats]] = {
    "interpolation": lambda y: (y[:-1] + y[1:]) / 2,
    "minoring": lambda y: np.minimum(y[:-1], y[1:]),
    "majoring": lambda y: np.maximum(y[:-1], y[1:]),
}


@register("metrics")
class AUC(Metric):
    """The area under the ROC curve (recall over false positive rate) or the PR curve (precision over recall).

    Every sample of the epoch counts once, so the result does not depend on the batches. A label above one half is positive. By
    default the thresholds are 198 evenly spaced numbers between 0 and 1 and one beyond each end, as in Keras 2.3. This needs a
    fixed amount of memory, and the error is proportional to the square of their distance. With num_thresholds=None every score
    is a threshold, which gives the exact area: for ROC the probability that a positive score is above a negative one, where equal
    scores count half. This needs 17 bytes per sample, and NaN counts as 0.

    Args:
        num_thresholds: An int of at least 2, or None for the exact area.
        curve: "ROC" or "PR".
        summation_method: "interpolation" for trapezoids (for PR the true positives are linear in the number of scores above the
            threshold); "minoring" or "majoring" for the smaller or larger value of both ends.
        name: Name of the column; None for "auc".
        thresholds: Numbers in [0, 1] instead of evenly spaced ones.

    Raises:
        ValueError: An argument is none of these.

    Source: Keras 2.3; Davis and Goadrich, ICML 2006, for PR. num_thresholds=None is an addition.
    """

    direction: ClassVar[str | None] = "max"
    never_written = ("_kept",)

    def __init__(
        self,
        num_thresholds: int | None = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        super().__init__(name)
        if curve not in ("ROC", "PR"):
            raise ValueError(f'Invalid AUC curve value "{curve}".')
        if summation_method not in _HEIGHTS:
            raise ValueError(f'Invalid AUC summation method value "{summation_method}".')
        self.num_thresholds = num_thresholds
        self.curve = curve
        self.summation_method = summation_method
        self.thresholds = thresholds
        self._ascending = _ascending(num_thresholds, thresholds)
        self.reset_states()

    def reset_states(self) -> None:
        count = 0 if self._ascending is None else len(self._ascending)
        self._true_positives = np.zeros(count)
        self._false_positives = np.zeros(count)
        self._positives = self._negatives = 0.0
        # For num_thresholds=None: scores, labels and weights of all batches, in a few parts.
        self._kept: list[_Part] = []

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        scores, positive, weights = scores_of(y_true, y_pred, sample_weight, self.name)
        self._positives += float(weights[positive].sum())
        self._negatives += float(weights[~positive].sum())
        if self._ascending is None:
            self._keep(scores.ravel().astype(np.float64), positive.ravel(), weights.flatten())  # a copy: they are the batch's
        else:
            right, wrong = decisions(scores, positive, weights, self._ascending)
            self._true_positives += right
            self._false_positives += wrong

    def _keep(self, scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> None:
        """Add a part. It is joined with those before it that are not larger, so a sample is copied once for each doubling."""
        part: _Part = np.where(np.isnan(scores), 0.0, scores), positive, weights
        before = list(self._kept)
        while before and len(before[-1][0]) <= len(part[0]):
            part = _joined([before.pop(), part])
        self._kept = [*before, part]

    def result(self) -> float:
        """The area. A rate without samples is 0, as in Keras."""
        tp, fp = self._counts()
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_precision(tp, fp, self._positives)
        recall = ratio(tp, np.full(tp.shape, self._positives))
        if self.curve == "ROC":
            x, y = ratio(fp, np.full(fp.shape, self._negatives)), recall
        else:
            x, y = recall, ratio(tp, tp + fp)
        return float(((x[:-1] - x[1:]) * _HEIGHTS[self.summation_method](y)).sum())

    def _counts(self) -> tuple[Floats, Floats]:
        """True and false positives at ascending thresholds."""
        if self._ascending is not None:
            return self._true_positives, self._false_positives
        none: _Part = np.empty(0), np.empty(0, bool), np.empty(0)
        scores, labels, weights = _joined([none, *self._kept])
        order = np.argsort(scores, kind="stable")
        scores, labels, weights = scores[order], labels[order], weights[order]
        last_of_equals = np.flatnonzero(np.append(np.diff(scores) > 0, True)[: len(scores)])
        below = [np.cumsum(np.where(labels == kind, weights, 0.0))[last_of_equals] for kind in (True, False)]
        return (
            np.append(self._positives, np.maximum(self._positives - below[0], 0)),
            np.append(self._negatives, np.maximum(self._negatives - below[1], 0)),
        )


def _joined(parts: Sequence[_Part]) -> _Part:
    scores, labels, weights = zip(*parts)
    return np.concatenate(scores), np.concatenate(labels), np.concatenate(weights)


def _ascending(num_thresholds: int | None, thresholds: Sequence[float] | None) -> Floats | None:
    if thresholds is not None:
        inner = np.sort(np.asarray(thresholds, np.float64))
        if inner.ndim != 1 or not ((inner >= 0) & (inner <= 1)).all():
            raise ValueError(f"Threshold values must be in [0, 1]. Invalid values: {thresholds}")
    elif num_thresholds is None:
        return None
    elif isinstance(num_thresholds, bool) or not isinstance(num_thresholds, (int, np.integer)) or num_thresholds <= 1:
        raise ValueError(f"`num_thresholds` must be > 1. Got: {num_thresholds!r}")
    else:
        inner = np.arange(1, num_thresholds - 1) / (num_thresholds - 1)
    # The ends are outside of [0, 1], so that scores of exactly 0 and 1 are between two thresholds.
    return np.concatenate([[-epsilon()], inner, [1 + epsilon()]])


def _interpolated_precision(tp: Floats, fp: Floats, positives: float) -> float:
    """The integral of tp / n over recall, where tp = slope * n + intercept and n = tp + fp between two thresholds."""
    n = tp + fp
    step, rise = np.maximum(n[:-1] - n[1:], 0), tp[:-1] - tp[1:]
    slope = ratio(rise, step)
    intercept = tp[1:] - slope * n[1:]
    logs = np.log(np.where((n[:-1] > 0) & (n[1:] > 0), ratio(n[:-1], n[1:]), 1.0))
    return float(ratio(slope * (rise + intercept * logs), np.full(step.shape, positives)).sum())
