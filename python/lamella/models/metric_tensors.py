"""The numbers of the logs as tensors of the graph: what `metrics_tensors` and `metrics_updates` of a model hold."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.atomic import Call, Scope, commit
from lamella.core.config import floatx
from lamella.core.configurable import Config
from lamella.core.graphs import GraphUpdate
from lamella.core.types import Array, Value
from lamella.core.updates import current as pending
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic, mask_of
from lamella.models.compiled import Compiled
from lamella.models.loss_tensors import LossTensors
from lamella.models.target_tensors import as_y_true
from lamella.ops.tape import value_of
from lamella.training.added import Column
from lamella.training.output import Metric
from lamella.training.step import Steps


class MetricValue(Layer, self_contained=True):
    """The value of a metric for one batch; called on [y_true, y_pred, sample weights] or [y_true, y_pred, sample weights, mask].

    Args:
        steps: The steps of the compile.
        place: The positions of the output among those that are trained, and of the metric there.

    Attributes:
        then: The calls that change the metric's own state after the last run.
    """

    supports_masking = True
    makes_masks = False

    def __init__(self, steps: Steps, place: tuple[int, int]) -> None:
        super().__init__()
        self._steps, self.place = weakref.ref(steps), place
        self.then: list[Call] = []

    @property
    def metric(self) -> Metric:
        """The metric, whose state is that of the current run."""
        steps = self._steps()
        assert steps is not None, "the model was compiled again"
        objective = steps.inner or steps.session.objective or steps.objective
        return objective.outputs[self.place[0]].metrics[self.place[1]]

    def call(self, inputs: Any) -> Value:
        arrays: list[Any] = [value_of(x) for x in inputs]
        y, output, weights, *masks = arrays
        self.then = []
        mask = masks[0] if masks else None
        # Its own state changes with `then`, not with the updates of this run.
        found = Scope((pending, "updates", None), (pending, "values", True)).run(
            self.metric, y, output, weights, mask, self.then
        )
        return np.asarray(found, floatx())

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    def get_config(self) -> Config:
        raise NotImplementedError(f"Layer {self.name}: a tensor of metrics_tensors cannot be saved; save the compiled model")


class MetricUpdate(GraphUpdate):
    """The change of the state of a metric, which `tensor`, its value, computes."""

    def __init__(self, tensor: Symbolic) -> None:
        self.tensors, self._layer = [tensor], _layer_of(tensor)

    @staticmethod
    def belongs_to(tensor: Any) -> bool:
        """Whether the tensor is the value of a metric with a state."""
        return isinstance(tensor, Symbolic) and isinstance(layer := _layer_of(tensor), MetricValue) and layer.metric.stateful

    def apply(self, values: list[Array]) -> None:
        commit(self._layer.then)
        self._layer.then = []


def _layer_of(tensor: Symbolic) -> Any:
    return tensor._keras_history[0]


def metric_tensors(steps: Steps, tensors: LossTensors, outputs: Sequence[Symbolic]) -> list[Symbolic]:
    """A scalar tensor for each column of the logs after "loss".

    Args:
        steps: The steps of the compile.
        tensors: The loss of the same compile.
        outputs: The model's outputs.
    """
    found = list(tensors.losses) if len(outputs) > 1 else []
    for i, output in enumerate(steps.objective.outputs):
        y, target = outputs[output.index], tensors.targets[output.index]
        read = [target if output.fed else as_y_true(target, y), y, tensors.sample_weights[output.index], mask_of(y)]
        found += [MetricValue(steps, (i, j))([x for x in read if x is not None]) for j in range(len(output.metrics))]
    return found


class MetricTensors(Compiled):
    """metrics_tensors and metrics_updates of a compiled model. Source: Keras 2.2.5 keras/engine/training.py."""

    @property
    def metrics_tensors(self) -> list[Any]:
        """A tensor for each of `metrics_names` except "loss", for K.function. Scripts for Keras append a tensor here and its name
        there: a function of the model's inputs and `targets`, a Variable, or a hyperparameter of the optimizer. The column has
        the mean of its elements.

        Tensors that compile made have no gradient, and fit computes their numbers from arrays. If a loss does not compute with
        symbolic tensors, these entries only have names.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        steps = self._of_compile("metrics_tensors")
        tensors = steps.added.tensors
        if any(isinstance(x, Column) for x in tensors):
            try:
                made = metric_tensors(steps, self._loss_tensors_of("metrics_tensors"), self.outputs)
            except TypeError:
                return tensors
            tensors[: len(made)] = [new if isinstance(x, Column) else x for x, new in zip(tensors, made)]
        return tensors

    @metrics_tensors.setter
    def metrics_tensors(self, value: Sequence[Any]) -> None:
        self.metrics_tensors[:] = value

    @property
    def metrics_updates(self) -> list[Any]:
        """The updates of metrics with a state. Scripts append others, which each step of training and evaluation makes, if they
        are appended before the first one: results of K.update and related functions.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        steps = self._of_compile("metrics_updates")
        if steps.metrics_updates is None:
            steps.metrics_updates = [MetricUpdate(x) for x in self.metrics_tensors if MetricUpdate.belongs_to(x)]
        return steps.metrics_updates

    @metrics_updates.setter
    def metrics_updates(self, value: Sequence[Any]) -> None:
        self.metrics_updates[:] = value
