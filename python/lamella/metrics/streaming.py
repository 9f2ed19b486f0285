"""Metric: a number over all samples of an epoch, however they were cut into batches."""

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
    """Base of metrics that keep a state: it starts anew with each epoch and each evaluate.

    A subclass says how `update_state` takes a batch in, what `result` makes of all that came, and how `reset_states`
    forgets it. In the logs the last result of an epoch stands, not a mean over batches; under `weighted_metrics` sample
    weights count what they say.

    Args:
        name: Of its column; the class's own in snake_case if None.

    A subclass may make its numbers by `add_weight`: then `reset_states` sets them to 0, if it is not written.

    Attributes:
        direction: Which way it improves, "max" or "min"; None leaves that to the name.

    Source: keras.metrics.Metric of Keras 2.3; Keras 2.2.5 has only the protocol (stateful, reset_states).
    """

    stateful: ClassVar[bool] = True
    direction: ClassVar[str | None] = None

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.dtype = dtype

    def add_weight(
        self, name: str, shape: tuple[int, ...] = (), initializer: str = "zeros", dtype: str | None = None
    ) -> Variable:
        """A number, or an array, of the metric's state.

        Args:
            initializer: "zeros"; another one raises ValueError, as each epoch begins with zeros.
            dtype: Of the metric if None, else floatx.
        """
        if initializer not in ("zeros", "zero"):
            raise ValueError(f"{self.name}.add_weight: expected initializer='zeros', as an epoch begins, got {initializer!r}")

        return Variable(np.zeros(shape, dtype or self.dtype or floatx()), f"{name}:0", trainable=False)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Take a batch in."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it takes a batch in")

    def result(self) -> Any:  # a number; several thresholds give an array
        """What all batches since the last reset come to."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its result is")

    def reset_states(self) -> None:
        """Forget all batches. What is not written sets all that add_weight made to 0."""
        if type(self).reset_state is not Metric.reset_state:
            self.reset_state()
            return
        state = [v for v in vars(self).values() if isinstance(v, Variable)]
        if not state:
            raise NotImplementedError(f"{type(self).__name__} does not say how it forgets: write reset_states()")
        for variable in state:
            variable.assign(np.zeros_like(variable.value))

    def reset_state(self) -> None:
        """`reset_states` by its name of TensorFlow 2.5 and later."""
        self.reset_states()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: owned(v) if isinstance(v, np.ndarray) else v for name, v in state.items()})

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


def scores_of(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, who: str
) -> tuple[Array, NDArray[np.bool_], NDArray[np.float64]]:
    """A batch as scores, whether each is of a positive, and what it counts, all of y_pred's shape.

    A label above one half is positive, so smoothed labels and those of -1 and 1 count as what they stand for; Keras 2.3
    takes every label other than 0 for a positive. Raises ValueError for scores outside [0, 1], shapes that differ, and a
    label of NaN that counts anything; a score of NaN is let through.
    """
    scores, labels = (np.asarray(value_of(a)) for a in (y_pred, y_true))
    if labels.size != scores.size or labels.squeeze().shape != scores.squeeze().shape:
        raise ValueError(f"{who}: expected targets of the prediction's shape {scores.shape}, got {labels.shape}")
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
