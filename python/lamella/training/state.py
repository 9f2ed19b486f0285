"""The complete state of a training, as plain data.

It holds weights, optimizer, random stream, the states of stateful layers and, within an epoch, the state of metrics.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lamella.core.variable import Variable
from lamella.training.gathered import gathered
from lamella.training.step import Steps


def get_state(steps: Steps, *, within_epoch: bool) -> dict[str, Any]:
    """The state, as copies; see Model.get_training_state."""
    metrics = _metrics(steps)
    optimizer = steps.optimizer
    steps.bind_given()
    steps.select_optimizer_state()
    return {
        "weights": steps.model.get_weights(),
        "optimizer": {
            "class": type(optimizer).__name__,
            "numbers": {name: number.numpy() for name, number in _numbers(optimizer).items()},
            "weights": optimizer.get_weights(),
        },
        "random": steps.stream.get_state(),
        "states": [variable.numpy() for variable in _carried(steps)],
        # Between epochs metrics have no state: each epoch begins with a reset.
        "metrics": [gathered(metric) for metric in metrics] if within_epoch else None,
    }


def set_state(steps: Steps, state: Mapping[str, Any]) -> None:
    """Continue from a state; see Model.set_training_state.

    Raises:
        ValueError: The state is of another model or optimizer.
    """
    model, optimizer = steps.model, steps.optimizer
    of_optimizer = state["optimizer"]
    if of_optimizer["class"] != type(optimizer).__name__:
        raise ValueError(f"the state is of the optimizer {of_optimizer['class']}, but the model has {type(optimizer).__name__}")
    came, wanted = [w.shape for w in state["weights"]], [w.shape for w in model.get_weights()]
    if came != wanted:
        raise ValueError(f"the state has weights of shapes {came}, but the model has {wanted}")
    carried = _carried(steps)
    came, wanted = [array.shape for array in state["states"]], [variable.shape for variable in carried]
    if came != wanted:
        raise ValueError(f"the state has stateful layers with states of shapes {came}, but the model has {wanted}")
    metrics = _metrics(steps)
    gathered = state["metrics"]
    if gathered is not None and len(metrics) != len(gathered):
        raise ValueError(f"the state has {len(gathered)} stateful metrics, but the model has {len(metrics)}")
    if of_optimizer["weights"]:
        steps.bind_optimizer()
        steps.select_optimizer_state()
        optimizer.set_weights(of_optimizer["weights"])
    numbers = _numbers(optimizer)
    for name, value in of_optimizer["numbers"].items():
        numbers[name].assign(value)
    model.set_weights(state["weights"])
    for variable, array in zip(carried, state["states"]):
        variable.assign(array)
    for metric, attributes in zip(metrics, gathered or []):
        for name, value in attributes.items():
            now = vars(metric)[name]
            if isinstance(now, Variable):
                now.assign(value)
            else:
                setattr(metric, name, copy.deepcopy(value))  # `state` belongs to the caller
    steps.stream.set_state(state["random"])


def _carried(steps: Steps) -> list[Variable]:
    """The Variables that stateful layers update in each batch and that are not weights."""
    moved = {id(update.variable): update.variable for update in steps.model.state_updates}
    held = {id(weight) for layer in steps.model.layers for weight in layer.weights}
    return [variable for key, variable in moved.items() if key not in held]


def _metrics(steps: Steps) -> list[Any]:
    """The stateful metrics of the running training."""
    return [metric.function for metric in (steps.session.objective or steps.objective).metrics if metric.stateful]


def _numbers(optimizer: Any) -> dict[str, Variable]:
    """The learning rate and other numbers that a callback may change, and the count of steps."""
    return {name: value for name, value in vars(optimizer).items() if isinstance(value, Variable)}
