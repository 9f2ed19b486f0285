"""The metrics of tf.keras that are means of a loss. Source: tf.keras 2.10."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import ArrayLike

from lamella import losses
from lamella.core.registry import register
from lamella.losses.rows import last_axis
from lamella.metrics.means import _MeanOfRows


class _MeanOfLoss(_MeanOfRows):
    """The mean of a loss over all rows of an epoch; its column has the name of the loss's function."""

    direction = "min"
    loss: losses.Loss

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name or self.loss.__name__, dtype)

    def rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> Any:
        return self.loss.call(y_true, y_pred)


def _mean_of(loss: type[losses.Loss], name: str | None = None) -> type[_MeanOfLoss]:
    """The class of the metric with the loss's name, or with another one."""
    formula = (loss.__doc__ or "").partition("\n")[0].removesuffix(" See Loss.")
    doc = f"The mean over all rows of an epoch of the loss `{loss.__name__}`: {formula}"
    fields = {"loss": loss(), "__doc__": doc, "__module__": __name__}
    return register("metrics")(type(name or loss.__name__, (_MeanOfLoss,), fields))


MeanSquaredError = _mean_of(losses.MeanSquaredError)
MeanAbsoluteError = _mean_of(losses.MeanAbsoluteError)
MeanAbsolutePercentageError = _mean_of(losses.MeanAbsolutePercentageError)
MeanSquaredLogarithmicError = _mean_of(losses.MeanSquaredLogarithmicError)
LogCoshError = _mean_of(losses.LogCosh, "LogCoshError")
Poisson = _mean_of(losses.Poisson)
KLDivergence = _mean_of(losses.KLDivergence)
Hinge = _mean_of(losses.Hinge)
SquaredHinge = _mean_of(losses.SquaredHinge)
CategoricalHinge = _mean_of(losses.CategoricalHinge)


class _MeanOfCrossentropy(_MeanOfLoss):
    """The mean of a cross-entropy.

    Args:
        from_logits: Whether predictions are logits.
        label_smoothing: A number in [0, 1], see the loss.
    """

    kind: ClassVar[Any]  # a class of losses with both options

    def __init__(
        self,
        name: str | None = None,
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.loss = type(self).kind(from_logits, label_smoothing)
        super().__init__(name, dtype)


@register("metrics")
class BinaryCrossentropy(_MeanOfCrossentropy):
    """The mean of the loss of this name, see `lamella.losses`."""

    kind = losses.BinaryCrossentropy


@register("metrics")
class CategoricalCrossentropy(_MeanOfCrossentropy):
    """The mean of the loss of this name, see `lamella.losses`."""

    kind = losses.CategoricalCrossentropy


@register("metrics")
class SparseCategoricalCrossentropy(_MeanOfLoss):
    """The mean of the loss of this name, see `lamella.losses`.

    Args:
        from_logits: Whether predictions are logits.
        axis: Must be -1, else ValueError.
    """

    def __init__(self, name: str | None = None, dtype: str | None = None, from_logits: bool = False, axis: int = -1) -> None:
        self.from_logits = from_logits
        self.axis = last_axis(axis, "SparseCategoricalCrossentropy")
        self.loss = losses.SparseCategoricalCrossentropy(from_logits)
        super().__init__(name, dtype)
