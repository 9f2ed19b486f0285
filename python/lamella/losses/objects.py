"""Losses as objects, with options such as from_logits and label_smoothing. Source: tf.keras 2.10; Keras 2.2.5 has none.

compile accepts them like functions. A direct call returns one number, as `reduction` says.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lamella.core.configurable import Configurable
from lamella.core.names import snake_case
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.losses import functions, rows

_REDUCTIONS = ("auto", "sum_over_batch_size", "sum", "none")


class Reduction:
    """The values of `reduction`. "auto" is "sum_over_batch_size"."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """The accepted values."""
        return _REDUCTIONS


class Loss(Configurable):
    """Base class of loss objects. A subclass defines `call(y_true, y_pred)`, which returns one value for each row.

    Args:
        reduction: The result of a call: "sum_over_batch_size" or "auto" for the mean of the rows, each multiplied by its sample
            weight; "sum" for their sum; "none" for the rows.
        name: Name of the loss; None for the name of the class in snake_case.

    Raises:
        ValueError: `reduction` is something else.

    Example:
        >>> import numpy as np
        >>> from lamella.losses import Huber
        >>> float(Huber(delta=1.0)(np.array([[0.0], [0.0]]), np.array([[0.5], [3.0]])))
        1.3125
    """

    # The function of Keras 2.2.5 with the same values without options, or None.
    function: ClassVar[Any] = None

    def __init__(self, reduction: str = "auto", name: str | None = None) -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Invalid Reduction Key {reduction}. Expected keys are {_REDUCTIONS}")
        self.reduction = reduction
        self.name = name or snake_case(type(self).__name__)
        # The name of the function decides which accuracy the name "accuracy" means.
        self.__name__ = self.name if type(self).function is None else type(self).function.__name__

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """One value for each row.

        Args:
            y_true: The values that the model should output, [N, ...].
            y_pred: The model's outputs, [N, ...].

        Raises:
            NotImplementedError: The class has neither `function` nor its own `call`.
        """
        if type(self).function is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define call(y_true, y_pred), which returns one value for each row"
            )
        return type(self).function(y_true, y_pred)

    def __call__(self, y_true: Value, y_pred: Value, sample_weight: Value = None) -> Value:
        """One number, or with reduction "none" one for each row.

        Args:
            y_true: The values that the model should output, [N, ...].
            y_pred: The model's outputs, [N, ...].
            sample_weight: None, a number, an array [N], or an array of the rows' shape.
        """
        return rows.reduced(self.call(y_true, y_pred), sample_weight, self.reduction)


def _of(function: Any, name: str) -> type[Loss]:
    """A class of losses without its own options. Its docstring is the formula of the function."""
    formula = (function.__doc__ or "").partition("\n")[0]
    fields = {"function": staticmethod(function), "__doc__": f"{formula} See Loss.", "__module__": __name__}
    return register("losses")(type(name, (Loss,), fields))


MeanSquaredError = _of(functions.mean_squared_error, "MeanSquaredError")
MeanAbsoluteError = _of(functions.mean_absolute_error, "MeanAbsoluteError")
MeanAbsolutePercentageError = _of(functions.mean_absolute_percentage_error, "MeanAbsolutePercentageError")
MeanSquaredLogarithmicError = _of(functions.mean_squared_logarithmic_error, "MeanSquaredLogarithmicError")
CategoricalHinge = _of(functions.categorical_hinge, "CategoricalHinge")
LogCosh = _of(functions.logcosh, "LogCosh")
Poisson = _of(functions.poisson, "Poisson")
KLDivergence = _of(functions.kullback_leibler_divergence, "KLDivergence")


class _SignedLabels(Loss):
    """Labels 0 and 1 count as -1 and 1, as in tf.keras. The function of Keras 2.2.5 does not convert them."""

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return super().call(rows.signs(y_true), y_pred)


@register("losses")
class Hinge(_SignedLabels):
    """`hinge` as an object, for labels of -1 and 1, or 0 and 1."""

    function = staticmethod(functions.hinge)


@register("losses")
class SquaredHinge(_SignedLabels):
    """`squared_hinge` as an object, for labels of -1 and 1, or 0 and 1."""

    function = staticmethod(functions.squared_hinge)


@register("losses")
class CosineSimilarity(Loss):
    """-cos(y, p) over the last axis. -1 is the best value.

    Args:
        axis: Must be -1, else ValueError.
    """

    function = staticmethod(functions.cosine_proximity)

    def __init__(self, axis: int = -1, reduction: str = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.axis = rows.last_axis(axis, "CosineSimilarity")


@register("losses")
class BinaryCrossentropy(Loss):
    """mean -(y log p + (1 - y) log(1 - p)) over the last axis.

    Args:
        from_logits: Whether predictions are logits, without a sigmoid.
        label_smoothing: A number s in [0, 1]: labels become y (1 - s) + s / 2.
        axis: Must be -1, else ValueError.
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
        self.label_smoothing = rows.smoothing(label_smoothing, "BinaryCrossentropy")
        self.axis = rows.last_axis(axis, "BinaryCrossentropy")

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return rows.binary(y_true, y_pred, self.from_logits, self.label_smoothing)


@register("losses")
class CategoricalCrossentropy(Loss):
    """-sum y log p over the last axis.

    Args:
        from_logits: Whether predictions are logits, without a softmax.
        label_smoothing: A number s in [0, 1]: labels become y (1 - s) + s / C.
        axis: Must be -1, else ValueError.
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
        self.label_smoothing = rows.smoothing(label_smoothing, "CategoricalCrossentropy")
        self.axis = rows.last_axis(axis, "CategoricalCrossentropy")

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return rows.categorical(y_true, y_pred, self.from_logits, self.label_smoothing)


@register("losses")
class SparseCategoricalCrossentropy(Loss):
    """-log p[y] for class labels y [...] or [..., 1].

    Args:
        from_logits: Whether predictions are logits, without a softmax.
    """

    function = staticmethod(functions.sparse_categorical_crossentropy)

    def __init__(self, from_logits: bool = False, reduction: str = "auto", name: str | None = None) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return rows.sparse(y_true, y_pred, self.from_logits)


@register("losses")
class Huber(Loss):
    """mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = p - y, over the last axis.

    Args:
        delta: The error, above 0, from which the loss is linear.
    """

    def __init__(self, delta: float = 1.0, reduction: str = "auto", name: str = "huber_loss") -> None:
        super().__init__(reduction, name)
        if not delta > 0:
            raise ValueError(f"Huber: expected delta above 0, got {delta!r}")
        self.delta = float(delta)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        return functions.huber(y_true, y_pred, self.delta)
