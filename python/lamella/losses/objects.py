"""Losses as objects: they hold options such as from_logits and label_smoothing. Source: tf.keras 2.10; Keras 2.2.5 has none.

compile takes them as it takes functions. Called on their own they return one number: the mean over the batch, or what
`reduction` says.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lamella import ops
from lamella.core.configurable import Configurable
from lamella.core.graphs import accepts_symbolic
from lamella.core.names import snake_case
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.losses import functions
from lamella.ops.tape import Tensor, value_of

_REDUCTIONS = ("auto", "sum_over_batch_size", "sum", "none")


class Reduction:
    """The names that `reduction` takes. "auto" is "sum_over_batch_size"."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        return _REDUCTIONS


class Loss(Configurable):
    """Base of loss objects: a subclass writes `call(y_true, y_pred)`, which returns one value for each row.

    Args:
        reduction: What a call returns: "sum_over_batch_size" and "auto" the mean of the rows, each multiplied by its
            sample weight; "sum" their sum; "none" the rows themselves.
        name: The class's own in snake_case if None.

    Raises:
        ValueError: For another reduction.

    Example:
        >>> import numpy as np
        >>> from lamella.losses import Huber
        >>> float(Huber(delta=1.0)(np.array([[0.0], [0.0]]), np.array([[0.5], [3.0]])))
        1.3125
    """

    # The function of Keras 2.2.5 that says the same without options; None where there is none.
    function: ClassVar[Any] = None

    def __init__(self, reduction: str = "auto", name: str | None = None) -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Invalid Reduction Key {reduction}. Expected keys are {_REDUCTIONS}")
        self.reduction = reduction
        self.name = name or snake_case(type(self).__name__)
        # The function that this object goes by chooses what "accuracy" means.
        self.__name__ = self.name if type(self).function is None else type(self).function.__name__

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """[N, ...] and [N, ...] -> one value for each row.

        Raises:
            NotImplementedError: The class names no `function` and does not write this.
        """
        if type(self).function is None:
            raise NotImplementedError(f"{type(self).__name__} does not say what its rows are: write call(y_true, y_pred)")
        return type(self).function(y_true, y_pred)

    def __call__(self, y_true: Value, y_pred: Value, sample_weight: Value = None) -> Value:
        """One number, or with reduction "none" one for each row.

        Args:
            y_true: [N, ...].
            y_pred: [N, ...].
            sample_weight: None, a number, [N], or of the rows' shape.
        """
        return reduced(self.call(y_true, y_pred), sample_weight, self.reduction)


@accepts_symbolic("losses")
def reduced(rows: Value, sample_weight: Value, reduction: str) -> Value:
    """The rows of a loss, weighted, as `reduction` says. Weights of fewer axes count for all that lies in a row."""
    if sample_weight is not None:
        plain: Value = value_of(rows)
        weight = np.asarray(value_of(sample_weight), plain.dtype)
        rows = ops.multiply(rows, weight.reshape(*weight.shape, *[1] * (plain.ndim - weight.ndim)))
    if reduction == "none":
        return rows
    return ops.sum(rows) if reduction == "sum" else ops.mean(rows)


@register("losses")
class MeanSquaredError(Loss):
    """`mean_squared_error` as an object."""

    function = staticmethod(functions.mean_squared_error)


@register("losses")
class MeanAbsoluteError(Loss):
    """`mean_absolute_error` as an object."""

    function = staticmethod(functions.mean_absolute_error)


@register("losses")
class MeanAbsolutePercentageError(Loss):
    """`mean_absolute_percentage_error` as an object."""

    function = staticmethod(functions.mean_absolute_percentage_error)


@register("losses")
class MeanSquaredLogarithmicError(Loss):
    """`mean_squared_logarithmic_error` as an object."""

    function = staticmethod(functions.mean_squared_logarithmic_error)


@register("losses")
class CategoricalHinge(Loss):
    """`categorical_hinge` as an object."""

    function = staticmethod(functions.categorical_hinge)


@register("losses")
class LogCosh(Loss):
    """`logcosh` as an object."""

    function = staticmethod(functions.logcosh)


@register("losses")
class Poisson(Loss):
    """`poisson` as an object."""

    function = staticmethod(functions.poisson)


@register("losses")
class KLDivergence(Loss):
    """`kullback_leibler_divergence` as an object."""

    function = staticmethod(functions.kullback_leibler_divergence)


class _OfSigns(Loss):
    """Labels of 0 and 1 count as -1 and 1, as in tf.keras; the function of Keras 2.2.5 takes them as they are."""

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return super().call(signs(y_true), y_pred)


@accepts_symbolic("losses")
def signs(y: Value) -> Value:
    """Labels that are all 0 or 1 as -1 and 1; others as they are."""
    labels = np.asarray(value_of(y))
    return 2 * labels - 1 if np.isin(labels, (0, 1)).all() else y


@register("losses")
class Hinge(_OfSigns):
    """`hinge` as an object, for labels of -1 and 1, or 0 and 1."""

    function = staticmethod(functions.hinge)


@register("losses")
class SquaredHinge(_OfSigns):
    """`squared_hinge` as an object, for labels of -1 and 1, or 0 and 1."""

    function = staticmethod(functions.squared_hinge)


@register("losses")
class CosineSimilarity(Loss):
    """-cos(y, p) over the last axis: -1 is best.

    Args:
        axis: -1; another one raises ValueError.
    """

    function = staticmethod(functions.cosine_proximity)

    def __init__(self, axis: int = -1, reduction: str = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.axis = last_axis(axis, "CosineSimilarity")


@register("losses")
class BinaryCrossentropy(Loss):
    """mean -(y log p + (1 - y) log(1 - p)) over the last axis.

    Args:
        from_logits: Predictions are logits, without a sigmoid.
        label_smoothing: s in [0, 1]: labels become y (1 - s) + s / 2.
        axis: -1; another one raises ValueError.
    """

    function = staticmethod(functions.binary_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "auto",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits
        self.label_smoothing = smoothing(label_smoothing, "BinaryCrossentropy")
        self.axis = last_axis(axis, "BinaryCrossentropy")

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return binary(y_true, y_pred, self.from_logits, self.label_smoothing)


@register("losses")
class CategoricalCrossentropy(Loss):
    """-sum y log p over the last axis.

    Args:
        from_logits: Predictions are logits, without a softmax.
        label_smoothing: s in [0, 1]: labels become y (1 - s) + s / C.
        axis: -1; another one raises ValueError.
    """

    function = staticmethod(functions.categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "auto",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits
        self.label_smoothing = smoothing(label_smoothing, "CategoricalCrossentropy")
        self.axis = last_axis(axis, "CategoricalCrossentropy")

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return categorical(y_true, y_pred, self.from_logits, self.label_smoothing)


@register("losses")
class SparseCategoricalCrossentropy(Loss):
    """-log p[y] for class labels y [...] or [..., 1].

    Args:
        from_logits: Predictions are logits, without a softmax.
    """

    function = staticmethod(functions.sparse_categorical_crossentropy)

    def __init__(self, from_logits: bool = False, reduction: str = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return sparse(y_true, y_pred, self.from_logits)


@register("losses")
class Huber(Loss):
    """mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = p - y, over the last axis.

    Args:
        delta: Where the square becomes a line; above 0.
    """

    def __init__(self, delta: float = 1.0, reduction: str = "auto", name: str = "huber_loss") -> None:
        super().__init__(reduction, name)
        if not delta > 0:
            raise ValueError(f"Huber: expected delta above 0, got {delta!r}")
        self.delta = float(delta)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return huber(y_true, y_pred, self.delta)


@register("losses")
@accepts_symbolic("losses")
def huber(y_true: Value, y_pred: Value, delta: float = 1.0) -> Value:
    """See Huber."""
    error = ops.abs(ops.subtract(y_pred, y_true))
    square = ops.minimum(error, delta)
    line = ops.subtract(error, square)
    return ops.mean(ops.add(ops.multiply(ops.square(square), 0.5), ops.multiply(line, delta)), axis=-1)


@accepts_symbolic("losses")
def binary(y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float) -> Value:
    """`BinaryCrossentropy.call`."""
    if label_smoothing:
        y_true = _mixed(y_true, y_pred, label_smoothing, 1 / 2)
    return ops.binary_crossentropy(y_pred, y_true, from_logits=from_logits)


@accepts_symbolic("losses")
def categorical(y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float) -> Value:
    """`CategoricalCrossentropy.call`."""
    if label_smoothing:
        y_true = _mixed(y_true, y_pred, label_smoothing, 1 / y_pred.shape[-1])
    return ops.categorical_crossentropy(y_pred, y_true, from_logits=from_logits)


@accepts_symbolic("losses")
def sparse(y_true: Value, y_pred: Value, from_logits: bool) -> Value:
    """`SparseCategoricalCrossentropy.call`."""
    return ops.sparse_categorical_crossentropy(y_pred, y_true, from_logits=from_logits)


def _mixed(y_true: Value, y_pred: Value, share: float, other: float) -> Value:
    """(1 - share) y + share * other, in the dtype of the predictions."""
    y = y_true if isinstance(y_true, Tensor) else np.asarray(y_true, y_pred.dtype)
    return ops.add(ops.multiply(y, 1 - share), share * other)


def smoothing(value: float, who: str) -> float:
    """A share in [0, 1]. Raises ValueError for another number."""
    if not 0 <= value <= 1:
        raise ValueError(f"{who}: expected label_smoothing in [0, 1], got {value!r}")
    return float(value)


def last_axis(axis: int, who: str) -> int:
    """Raises ValueError unless it is -1."""
    if axis != -1:
        raise ValueError(f"{who}: rows lie along the last axis here; expected axis=-1, got {axis!r}")
    return axis
