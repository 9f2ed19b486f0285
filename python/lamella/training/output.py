"""An output that is trained: its loss, and its metrics with their columns of the logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamella.core import registry
from lamella.core.atomic import Call, Scope
from lamella.core.bound_function import bound_function
from lamella.core.pickling import PickledByName
from lamella.core.shapes import Shape
from lamella.core.types import Array
from lamella.core.updates import current as pending
from lamella.core.updates import making
from lamella.core.user_array import for_user, of_lamella
from lamella.core.variable import Variable
from lamella.ops.arrays import total as total_of
from lamella.ops.tape import value_of
from lamella.training.gathered import moves, twin_of
from lamella.training.shares import Rule, row_shares


class LateNumber:
    """A number of the logs that is computed by `float`. The loop reads those of the batches that somebody looks at.

    Args:
        compute: Gives the number.
    """

    __slots__ = ("_compute",)

    def __init__(self, compute: Callable[[], float]) -> None:
        self._compute = compute

    def __float__(self) -> float:
        return Scope((pending, "values", True)).run(self._compute)


@dataclass
class Metric(PickledByName):
    """A metric and its column of the logs.

    Attributes:
        name: Name of the column.
        function: The metric function or object.
        weighted: Whether sample weights apply.
        kept: The Variables that the function makes, which are the same in each call.
    """

    name: str
    function: Callable[..., Any]
    weighted: bool
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def stateful(self) -> bool:
        """Whether the metric keeps a state over the epoch, so that its last value counts instead of the mean over batches."""
        return bool(getattr(self.function, "stateful", False))

    def __call__(
        self,
        target: Array,
        output: Array,
        weights: Array | None,
        mask: Array | None,
        then: list[Call],
        made: Any = None,
    ) -> float | LateNumber:
        """The value for one batch. That of a streaming metric is computed when somebody reads it.

        Args:
            target: y of the batch.
            output: The model's output.
            weights: Sample weights, or None.
            mask: Mask of the output, or None.
            then: A list to which the calls are added that change the metric's own state.
            made: What the function returns, if the model has computed it.
        """
        weights = weights if self.weighted else None
        stateful = self.stateful
        function = twin_of(self.function) if stateful else self.function
        number: float | LateNumber
        if hasattr(function, "update_state"):
            number = self._streamed(function, target, output, weights, mask)
        else:
            if not of_lamella(function):
                target, output = for_user(target), for_user(output)
                function = function if stateful else making(function, self.kept)
            elif target.shape == (*output.shape[:-1], 1) and getattr(function, "takes_labels", False):
                target = np.broadcast_to(target, output.shape)
            values: Any = value_of(function(target, output) if made is None else made)
            if values is None:
                raise TypeError(f"metric '{self.name}' returned NoneType, expected numbers")
            if not stateful and (weights is not None or mask is not None):
                number = float((values * row_shares(weights, values, mask)).sum())
            else:
                number = float(values) if values.ndim == 0 else total_of(values) / values.size
        if stateful:
            then += moves(self.function, function)
        return number

    def _streamed(
        self, function: Any, target: Array, output: Array, weights: Array | None, mask: Array | None
    ) -> float | LateNumber:
        """The result of a streaming metric after this batch. Masked elements have weight 0."""
        if mask is not None:
            kept = mask.astype(np.float64)
            weights = kept if weights is None else kept * weights.reshape(*weights.shape, *[1] * (mask.ndim - weights.ndim))
        if not of_lamella(type(function).__call__):
            return self._one_number(function(target, output, weights))
        # `__call__` of lamella's Metric, in two parts: `result` may cost as much as all batches before.
        function.update_state(target, output, weights)
        return LateNumber(lambda: self._one_number(function.result()))

    def _one_number(self, result: Any) -> float:
        value: Any = np.asarray(result)
        if value.size != 1:
            raise ValueError(
                f"metric '{self.name}': a column of the logs holds one number, got {value.size}; give one threshold"
            )
        return float(value.reshape(()))


@dataclass
class Output(PickledByName):
    """One output that is trained.

    Attributes:
        index: Its place among the model's outputs.
        name: Its name.
        shape: Its shape.
        loss: Its loss function or object.
        weight: Factor of the loss in the total.
        mode: sample_weight_mode: None or "temporal".
        metrics: Its metrics, in the order of their columns.
        rule: How the losses of single samples become one number, see `row_shares`.
        target: Its tensor in target_tensors, or None.
        layer: The name of the layer from which it comes.
        kept: The Variables that a custom loss makes, which are the same in each call.
        fed: Whether its y comes from the data: it has no target, or a placeholder.
        loss_name: The name of a built-in loss; None for a custom loss, of which nothing is known about the y that it takes.
    """

    index: int
    name: str
    shape: Shape
    loss: Callable[..., Any]
    weight: float | Variable
    mode: str | None
    metrics: list[Metric] = field(default_factory=list)
    rule: Rule = "weights"
    target: Any = None
    fed: bool = True
    layer: str = ""
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        # Calling a loss object gives one number; its `call` gives a number for each sample.
        loss: Any = self.loss
        rows = loss.call if hasattr(loss, "reduction") else loss
        self.users = not of_lamella(rows)
        self.rows: Callable[..., Any] = bound_function(rows) if self.users else rows
        self.loss_name = self._loss_name()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"rows": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()

    def _loss_name(self) -> str | None:
        name: str = getattr(self.loss, "__name__", "")
        return name if registry.find("losses", name) is getattr(type(self.loss), "function", self.loss) else None
