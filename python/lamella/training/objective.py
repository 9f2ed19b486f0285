"""Objective: what compile makes of losses, weights and metrics; it turns outputs and targets into numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamella.core import registry
from lamella.core.shapes import Shape
from lamella.data.standardize import Array
from lamella.ops.reduce import mean, weighted_mean
from lamella.ops.tape import Tensor, value_of
from lamella.training import resolve

Value = Any  # Tensor | ndarray | float: what a loss function of the user's own may return


@dataclass
class Metric:
    """A column of the logs."""

    name: str
    function: Callable[..., Any]
    weighted: bool

    @property
    def stateful(self) -> bool:
        """Its own state runs over the epoch: the last value counts, not the mean of the batches."""
        return bool(getattr(self.function, "stateful", False))

    def __call__(self, target: Array, output: Array, weights: Array | None) -> float:
        values: Any = value_of(self.function(target, output))
        if self.weighted and weights is not None:
            return float(mean_loss(values, weights))
        return float(values) if values.ndim == 0 else float(np.add.reduce(values, axis=None)) / values.size


@dataclass
class Output:
    """One trained output: its loss, what that counts, its metrics."""

    index: int
    name: str
    shape: Shape
    loss: Callable[..., Any]
    weight: float
    mode: str | None
    metrics: list[Metric] = field(default_factory=list)

    @property
    def loss_name(self) -> str | None:
        """The name of a loss of lamella's own; None for a user's, which decides on its own what targets it takes."""
        name: str = getattr(self.loss, "__name__", "")
        return name if registry.find("losses", name) is self.loss else None


class Objective:
    """The compiled losses and metrics of a model.

    Args:  names, shapes: of the model's outputs.  The rest: as in compile.
    Attributes:  names: the columns, "loss" first: Keras's metrics_names.  outputs: those that are trained.
    """

    def __init__(
        self,
        names: Sequence[str],
        shapes: Sequence[Shape],
        loss: Any,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        *,
        penalized: bool = False,
    ) -> None:
        losses = resolve.losses_by_output(loss, names)
        weights = resolve.weights_by_output(loss_weights, names)
        modes = resolve.modes_by_output(sample_weight_mode, names)
        if not penalized and all(f is None for f in losses):
            raise ValueError("The model cannot be compiled because it has no loss to optimize.")
        self.outputs = [
            Output(i, names[i], shapes[i], f, weights[i], modes[i]) for i, f in enumerate(losses) if f is not None
        ]
        self.names = ["loss"]
        several = len(names) > 1
        if several:
            self.names += [f"{output.name}_loss" for output in self.outputs]
        plain, weighted = (resolve.metrics_by_output(m, names) for m in (metrics, weighted_metrics))
        for output in self.outputs:
            for given, is_weighted in ((plain, False), (weighted, True)):
                for metric in given[output.index]:
                    name, function = resolve.metric_function(metric, output.loss, output.shape)
                    name = self._free_name(
                        (f"{output.name}_" if several else "") + ("weighted_" if is_weighted else "") + name
                    )
                    output.metrics.append(Metric(name, function, is_weighted))
                    self.names.append(name)
        self.metrics = [metric for output in self.outputs for metric in output.metrics]
        self.stateful_names = [metric.name for metric in self.metrics if metric.stateful]
        self._report_losses = several

    def _free_name(self, base: str) -> str:
        name, n = base, 1
        while name in self.names:
            name, n = f"{base}_{n}", n + 1
        return name

    def direction(self, name: str) -> str | None:
        """Which way a column improves, "min" or "max", as its metric object declares it; None where none does."""
        for metric in self.metrics:
            if metric.name == name:
                declared: str | None = getattr(metric.function, "direction", None)
                return declared
        return "min" if name in self.names else None

    def reset(self) -> None:
        """Start an epoch: metrics that keep a state of their own forget it."""
        for metric in self.metrics:
            if metric.stateful:
                metric.function.reset_states()  # type: ignore[attr-defined]

    def total(
        self,
        values: Sequence[Tensor | Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        penalties: Iterable[Callable[[], Value]],
    ) -> tuple[Value, list[Value]]:
        """The scalar to go downhill on: weighted losses plus penalties; and the loss of each output, unweighted."""
        total: Value = None
        losses = []
        for output, target, weight in zip(self.outputs, targets, weights):
            loss = mean_loss(output.loss(target, values[output.index]), weight)
            losses.append(loss)
            if output.weight != 1.0:
                loss = loss * output.weight
            total = loss if total is None else total + loss
        for penalty in penalties:
            amount = penalty()
            total = amount if total is None else total + amount
        return total, losses

    def report(
        self,
        total: Value,
        losses: Sequence[Value],
        values: Sequence[Tensor | Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
    ) -> list[float]:
        """One number for each of `names`."""
        numbers = [_number(total)]
        if self._report_losses:
            numbers += [_number(loss) for loss in losses]
        if self.metrics:
            for output, target, weight in zip(self.outputs, targets, weights):
                value = values[output.index]
                array: Any = value.value if type(value) is Tensor else value
                numbers += [metric(target, array, weight) for metric in output.metrics]
        return numbers


def mean_loss(losses: Value, weights: Array | None) -> Value:
    """Mean of the losses; with weights sum(w * l) / count_nonzero(w), as Keras 2.2.5 has it (neither sum(w) nor N)."""
    if weights is None:
        return losses if losses.ndim == 0 else mean(losses)
    if losses.ndim > weights.ndim:
        losses = mean(losses, axis=tuple(range(weights.ndim, losses.ndim)))
    if losses.ndim < weights.ndim:
        losses = losses * np.ones_like(weights)
    return weighted_mean(losses, weights)


def _number(value: Value) -> float:
    return float(value.value) if type(value) is Tensor else float(value)
