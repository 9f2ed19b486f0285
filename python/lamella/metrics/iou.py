"""Intersection over union of class labels. Source: tf.keras 2.10."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lamella.core.registry import register
from lamella.core.types import Array
from lamella.metrics.streaming import Metric
from lamella.ops.tape import value_of


@register("metrics")
class MeanIoU(Metric):
    """The mean over classes of intersection / union of predicted and true labels.

    Args:
        num_classes: Number of classes; labels are 0 to num_classes - 1.

    Source: tf.keras 2.10. Classes without labels and predictions do not count.
    """

    direction = "max"

    def __init__(self, num_classes: int, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name or "mean_io_u", dtype)
        self.num_classes = num_classes
        self.reset_states()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch.

        Args:
            y_true: Class labels of any shape.
            y_pred: Predicted labels of the same size.
            sample_weight: None, or weights whose axes are the first axes of y_true: [N] for samples, or one for each label.

        Raises:
            ValueError: Sizes or shapes do not fit, or a label is not a class.
        """
        true, predicted = (np.asarray(value_of(y)).astype(np.intp).ravel() for y in (y_true, y_pred))
        if true.shape != predicted.shape:
            raise ValueError(f"{self.name}: expected as many predictions as labels, {true.size}, got {predicted.size}")
        for labels in (true, predicted):
            if labels.size and not (labels.min() >= 0 and labels.max() < self.num_classes):
                raise ValueError(
                    f"{self.name}: expected labels 0 to {self.num_classes - 1}, got {labels.min()} to {labels.max()}"
                )
        weights = None if sample_weight is None else self._weights(sample_weight, np.asarray(value_of(y_true)).shape)
        counts = np.bincount(true * self.num_classes + predicted, weights, self.num_classes**2)
        self._confusion += counts.reshape(self._confusion.shape)

    def _weights(self, sample_weight: ArrayLike, shape: tuple[int, ...]) -> Array:
        """A weight for each label."""
        given = np.asarray(value_of(sample_weight))
        if given.shape != shape[: given.ndim]:
            raise ValueError(f"{self.name}: expected sample weights of shape {shape[:1]}, got {given.shape}")
        return np.broadcast_to(given.reshape(*given.shape, *[1] * (len(shape) - given.ndim)), shape).ravel()

    def result(self) -> float:
        both = np.diag(self._confusion)
        either = self._confusion.sum(axis=0) + self._confusion.sum(axis=1) - both
        used = either > 0  # classes with labels or predictions
        return float((both[used] / either[used]).mean()) if used.any() else 0.0

    def reset_states(self) -> None:
        self._confusion = np.zeros((self.num_classes, self.num_classes))
