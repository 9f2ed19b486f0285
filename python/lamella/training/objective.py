"""Objective: the compiled losses, loss weights and metrics. It computes the numbers of the logs from outputs and y."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamella.core import config, registry
from lamella.core.atomic import Call, Scope
from lamella.core.graphs import GraphTensor, SymbolOutside
from lamella.core.pickling import PickledByName
from lamella.core.shapes import Shape
from lamella.core.types import Array, Value
from lamella.core.updates import current as pending
from lamella.core.updates import making
from lamella.core.user_array import for_user, from_user
from lamella.ops.arrays import total as total_of
from lamella.ops.tape import Tensor, value_of
from lamella.training import resolve
from lamella.training.output import Metric, Output
from lamella.training.shares import Rule, row_shares

# A Tensor, and the factor of each of its elements in the total loss.
LossTerm = tuple[Tensor, Array]
# A list of Tensors or ndarrays. If layers make masks, it is a subclass of list that has them as `masks`.
Outputs = Any


# Entries of a batch's logs that are not columns. A metric of such a name would replace them.
_OF_BATCHES = ("batch", "size")


# A loss or metric: the position of its output in Objective.outputs, and that of the metric there; -1 for the loss.
Place = tuple[int, int]
_NONE: Mapping[Place, Value] = {}


class Objective(PickledByName):
    """The compiled losses and metrics of a model.

    Args:
        names: Names of the model's outputs.
        shapes: Their shapes.
        loss: As in compile.
        metrics: As in compile.
        loss_weights: As in compile.
        sample_weight_mode: As in compile.
        weighted_metrics: As in compile.
        layers: Names of the layers from which the outputs come; None for the names of the outputs.
        targets: For each output its tensor in target_tensors, and whether its y is fed; None without target_tensors.
        penalized: Whether the model has penalties or added losses, so that no output needs a loss.

    Attributes:
        names: Names of the columns, "loss" first: Keras's metrics_names. Scripts may append names, see `added.py`.
        columns: The number of names that compile made.
        outputs: The outputs that have a loss.
        metrics: All metrics, in the order of their columns.
        stateful_names: Names of the stateful metrics' columns.

    Raises:
        TypeError: An argument of compile has a wrong type.
        ValueError: There is no loss, or an argument names something that does not exist.
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
        layers: Sequence[str] | None = None,
        targets: Sequence[tuple[Any, bool]] | None = None,
        penalized: bool = False,
    ) -> None:
        losses = resolve.losses_by_output(loss, names)
        weights = resolve.weights_by_output(loss_weights, names)
        modes = resolve.modes_by_output(sample_weight_mode, names)
        if not penalized and all(f is None for f in losses):
            raise ValueError("The model cannot be compiled because it has no loss to optimize.")
        in_tf = config.dialect() == "tf"
        self.resets_each_batch = in_tf  # in train_on_batch and test_on_batch: Keras's metrics go on from call to call
        self.outputs = [
            Output(i, names[i], shapes[i], f, weights[i], modes[i], rule=_rule(f, in_tf=in_tf), layer=(layers or names)[i])
            for i, f in enumerate(losses)
            if f is not None
        ]
        if targets is not None:
            for output in self.outputs:
                output.target, output.fed = targets[output.index]
        self.names = ["loss"]
        several = len(names) > 1
        if several:
            self.names += [f"{output.name}_loss" for output in self.outputs]
        plain = resolve.metrics_by_output(metrics, names)
        weighted = resolve.metrics_by_output(weighted_metrics, names)
        with_state: set[int] = set()
        for output in self.outputs:
            for given, is_weighted in ((plain, False), (weighted, True)):
                for metric in given[output.index]:
                    name, function = resolve.metric_function(metric, output.loss, output.shape)
                    function = resolve.with_own_state(function, with_state)
                    if in_tf:
                        function = _streamed(function, name)
                    elif is_weighted:
                        name = f"weighted_{name}"
                    name = self._free_name((f"{output.name}_" if several else "") + name)
                    output.metrics.append(Metric(name, function, is_weighted))
                    self.names.append(name)
        for name in self.names:
            if name.startswith("val_") and name.removeprefix("val_") in self.names:
                raise ValueError(f"metric '{name}': validation writes a column of this name; give the metric another")
        self.columns = len(self.names)
        self.metrics = _metrics_of(self.outputs)
        self.stateful_names = [metric.name for metric in self.metrics if metric.stateful]
        self._report_losses = several
        self._shares: dict[tuple[Shape, str, float], Array] = {}

    def _free_name(self, base: str) -> str:
        name, n = base, 1
        while name in self.names or name in _OF_BATCHES:
            name, n = f"{base}_{n}", n + 1
        return name

    def direction(self, name: str) -> str | None:
        """The direction in which a column improves: "min", "max", or None if its metric does not declare it."""
        for metric in self.metrics:
            if metric.name == name:
                declared: str | None = getattr(metric.function, "direction", None)
                return declared
        return "min" if name in self.names[: self.columns] else None

    def reset(self) -> None:
        """Start an epoch: reset the state of stateful metrics."""
        for metric in self.metrics:
            if metric.stateful:
                metric.function.reset_states()  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_shares": {}}

    def anew(self) -> Objective:
        """A copy whose stateful metrics are copies too, with a fresh state."""
        other = copy.copy(self)
        other._shares = {}
        other.outputs = [
            replace(
                output,
                metrics=[replace(m, function=copy.deepcopy(m.function)) if m.stateful else m for m in output.metrics],
            )
            for output in self.outputs
        ]
        for output, mine in zip(self.outputs, other.outputs):
            mine.rows = output.rows  # with the values of the variables at compile
        other.metrics = _metrics_of(other.outputs)
        other.reset()
        return other

    def total(
        self,
        values: Outputs,
        targets: Sequence[Value],
        weights: Sequence[Array | None],
        penalties: Iterable[Callable[[], Value]],
        made: Mapping[Place, Value] = _NONE,
    ) -> tuple[float, list[float], list[LossTerm]]:
        """The loss of one batch.

        Args:
            values: The model's outputs.
            targets: y for each trained output.
            weights: Sample weights for each trained output, or None.
            penalties: Functions that give regularization penalties.
            made: The values of losses and metrics that the model itself has computed.

        Returns:
            (total, losses, terms): the sum of weighted losses and penalties; the loss of each output, unweighted; and the
            total as a weighted sum of Tensors, for `Tape.gradients`.
        """
        total = 0.0
        losses = []
        terms: list[LossTerm] = []
        masks = None if type(values) is list else values.masks
        for i, (output, target, weight) in enumerate(zip(self.outputs, targets, weights)):
            value = values[output.index]
            rows: Any
            if (i, -1) in made:
                rows = made[i, -1]
            elif output.users:
                rows = _at((i, -1), output, target, value)
            else:
                rows = output.rows(target, value)
            if rows is None:
                raise TypeError(f"the loss of '{output.name}' returned NoneType, expected numbers")
            array: Any = rows.value if type(rows) is Tensor else np.asarray(rows)
            mask = None if masks is None else masks[output.index]
            plain = weight is None and mask is None and output.rule != "sum"
            if plain:
                loss = total_of(array) / array.size
            else:
                shares = row_shares(weight, array, mask, output.rule)
                loss = float((array * shares).sum())
            losses.append(loss)
            counts = output.weight if type(output.weight) is float else float(output.weight)
            total += loss * counts
            if type(rows) is Tensor:
                if plain:
                    terms.append((rows, self._even_shares(array, counts)))
                else:
                    terms.append((rows, shares * array.dtype.type(counts)))
        for penalty in penalties:
            amount = penalty()
            total += _number(amount)
            if type(amount) is Tensor:
                terms.append((amount, np.ones(amount.shape, amount.dtype)))
        return total, losses, terms

    def _even_shares(self, array: Array, weight: float) -> Array:
        """weight / size for each element, cached: a fit asks for the same few shapes in every step."""
        key = (array.shape, array.dtype.char, weight)
        shares = self._shares.get(key)
        if shares is None:
            if len(self._shares) > 8:
                self._shares.clear()
            shares = self._shares[key] = np.full(array.shape, weight / (array.size or 1), array.dtype)
        return shares

    def report(
        self,
        total: float,
        losses: Sequence[float],
        values: Outputs,
        targets: Sequence[Value],
        weights: Sequence[Array | None],
        then: list[Call],
        made: Mapping[Place, Value] = _NONE,
    ) -> list[Any]:
        """One number for each of `names`: a float, or a LateNumber.

        Args:
            total: As `total` returns it.
            losses: As `total` returns them.
            values: The model's outputs.
            targets: y for each trained output.
            weights: Sample weights for each trained output, or None.
            then: A list to which the calls are added that change the state of metrics; the step's commit runs them.
            made: As in `total`.
        """
        numbers: list[Any] = [total]
        if self._report_losses:
            numbers += losses
        if self.metrics:
            numbers += Scope((pending, "values", True)).run(self._of_metrics, values, targets, weights, then, made)
        return numbers

    def _of_metrics(
        self,
        values: Outputs,
        targets: Sequence[Value],
        weights: Sequence[Array | None],
        then: list[Call],
        made: Mapping[Place, Value],
    ) -> list[Any]:
        numbers: list[Any] = []
        masks = None if type(values) is list else values.masks
        for i, (output, target, weight) in enumerate(zip(self.outputs, targets, weights)):
            value = values[output.index]
            array: Any = value.value if type(value) is Tensor else value
            y: Any = value_of(target)
            mask = None if masks is None else masks[output.index]
            for j, metric in enumerate(output.metrics):
                try:
                    numbers.append(metric(y, array, weight, mask, then, made.get((i, j))))
                except SymbolOutside as error:
                    error.place = error.place or (i, j)
                    raise
                except Exception as error:
                    if metric.name not in str(error):
                        error.add_note(f"in metric '{metric.name}' of output '{output.name}', {_shapes(y, array)}")
                    raise
        return numbers

    def functions(self, places: Iterable[Place]) -> list[tuple[int, Callable[..., Any]]]:
        """The losses and metrics at these places, each with the index of its output."""
        found = []
        for i, j in places:
            output = self.outputs[i]
            found.append((output.index, output.rows if j < 0 else output.metrics[j].function))
        return found


def _at(place: Place, output: Output, target: Value, value: Value) -> Value:
    """The result of a user's loss. An error for a symbolic tensor in it names its place, and others name the output."""
    try:
        found = from_user(making(output.rows, output.kept)(for_user(target), for_user(value)))
        if isinstance(found, GraphTensor):
            found = found.compute()
    except SymbolOutside as error:
        error.place = error.place or place
        raise
    except Exception as error:
        error.add_note(f"in the loss of output '{output.name}', {_shapes(target, value)}")
        raise
    return found


def _shapes(target: Value, value: Value) -> str:
    return " and ".join(
        f"{what} of shape {np.shape(np.asarray(value_of(a)))}" for what, a in (("y", target), ("predictions", value))
    )


def _metrics_of(outputs: Sequence[Output]) -> list[Metric]:
    """All metrics, in the order of their columns."""
    return [metric for output in outputs for metric in output.metrics]


def _rule(loss: Callable[..., Any], *, in_tf: bool) -> Rule:
    if getattr(loss, "reduction", None) == "sum":
        return "sum"
    return "rows" if in_tf else "weights"


def _streamed(metric: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A metric whose value is sum(w * v) / sum(w) over the epoch, as in tf.keras, instead of a mean over batches."""
    wrapper = registry.get("metrics", "MeanMetricWrapper")
    streamed: Callable[..., Any] = metric if hasattr(metric, "update_state") else wrapper(metric, name)
    return streamed


def _number(value: Value) -> float:
    return float(value.value) if type(value) is Tensor else float(value)
