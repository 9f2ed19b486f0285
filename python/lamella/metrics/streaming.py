"""Metric: a number over all samples of an epoch, which does not depend on the batches."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.config import floatx
from lamella.core.configurable import Configurable
from lamella.core.names import snake_case
from lamella.core.types import Array
from lamella.core.variable import Variable, owned
from lamella.ops.tape import value_of


class Metric(Configurable):
    """Base class of metrics with a state, which is reset before each epoch and each evaluate.

    A subclass defines `update_state`, which adds a batch, `result`, which returns the value of all batches, and
    `reset_states`. The logs show the last result of an epoch, not a mean over batches. Under `weighted_metrics`, the sample
    weights are passed to `update_state`.

    Args:
        name: Name of the column; None for the name of the class in snake_case.
        dtype: Name of the dtype of the state; None for floatx.

    A subclass may make its state by `add_weight`. Then the inherited `reset_states` sets it to 0.

    Attributes:
        direction: The direction in which it improves, "max" or "min"; with None the name decides.
        never_written: Names of attributes that update_state replaces and does not change in place. A step, which works on a copy
            of the state, does not copy them.

    Source: keras.metrics.Metric of Keras 2.3; Keras 2.2.5 has only the protocol (stateful, reset_states).
    """

    stateful: ClassVar[bool] = True
    direction: ClassVar[str | None] = None
    never_written: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.dtype = dtype

    def add_weight(
        self, name: str, shape: tuple[int, ...] = (), initializer: str = "zeros", dtype: str | None = None
    ) -> Variable:
        """Make a number or an array of the metric's state.

        Args:
            name: Its name.
            shape: Its shape.
            initializer: Must be "zeros", because each epoch begins with zeros.
            dtype: Name of its dtype; None for the dtype of the metric, or floatx.

        Raises:
            ValueError: The initializer is another one.
        """
        if initializer not in ("zeros", "zero"):
            raise ValueError(
                f"{self.name}.add_weight: expected initializer='zeros', with which each epoch begins, got {initializer!r}"
            )

        return Variable(np.zeros(shape, dtype or self.dtype or floatx()), f"{name}:0", trainable=False)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch.

        Args:
            y_true: The values that the model should output.
            y_pred: The model's outputs.
            sample_weight: Sample weights, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update_state(), which adds a batch")

    def result(self) -> Any:  # a number; several thresholds give an array
        """The value of all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define result()")

    def reset_states(self) -> None:
        """Reset the state. This implementation sets everything that add_weight made to 0."""
        if type(self).reset_state is not Metric.reset_state:
            self.reset_state()
            return
        state = [v for v in vars(self).values() if isinstance(v, Variable)]
        if not state:
            raise NotImplementedError(f"{type(self).__name__} must define reset_states()")
        for variable in state:
            variable.assign(np.zeros_like(variable.value))

    def reset_state(self) -> None:
        """`reset_states`, under its name in TensorFlow 2.5 and later."""
        self.reset_states()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: owned(v) if isinstance(v, np.ndarray) else v for name, v in state.items()})

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


def scores_of(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, who: str
) -> tuple[Array, NDArray[np.bool_], NDArray[np.float64]]:
    """The scores of a batch, whether each is positive, and its weight, all of y_pred's shape.

    A label above one half is positive. So smoothed labels, and labels of -1 and 1, are right. In Keras 2.3 every label except 0
    is positive. A score of NaN is accepted.

    Raises:
        ValueError: A score is outside [0, 1], shapes differ, or a label with a weight is NaN.
    """
    scores, labels = (np.asarray(value_of(a)) for a in (y_pred, y_true))
    if labels.size != scores.size or labels.squeeze().shape != scores.squeeze().shape:
        raise ValueError(f"{who}: expected labels of the prediction's shape {scores.shape}, got {labels.shape}")
    if scores.size and (np.nanmin(scores, initial=0.0) < 0 or np.nanmax(scores, initial=0.0) > 1):
        raise ValueError(f"{who}: expected predictions in [0, 1], got {np.nanmin(scores)} to {np.nanmax(scores)}")
    if sample_weight is None:
        weights = np.ones(scores.shape)
    else:
        given = np.asarray(value_of(sample_weight), np.float64)
        if given.shape != scores.shape[: given.ndim]:
            raise ValueError(f"{who}: expected sample weights of shape {scores.shape[:1]}, got {given.shape}")
        weights = np.broadcast_to(given.reshape(*given.shape, *[1] * (scores.ndim - given.ndim)), scores.shape)
    labels = labels.reshape(scores.shape)
    if labels.dtype.kind == "f" and (unknown := np.isnan(labels) & (weights != 0)).any():
        raise ValueError(f"{who}: expected labels that are numbers, got {np.count_nonzero(unknown)} NaN")
    return scores, labels > 0.5, weights
