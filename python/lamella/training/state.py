"""All that a training goes on from, as plain data: weights, optimizer, random numbers, what stateful layers carry over, metrics
within an epoch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lamella.core.variable import Variable
from lamella.training.gathered import gathered
from lamella.training.step import Steps


def get_state(steps: Steps, *, within_epoch: bool) -> dict[str, Any]:
    """Copies; see Model.get_training_state."""
    metrics = _metrics(steps)
    optimizer = steps.optimizer
    steps.bind_given()
    steps.turn_optimizer()
    return {
        "weights": steps.model.get_weights(),
        "optimizer": {
            "class": type(optimizer).__name__,
            "numbers": {name: number.numpy() for name, number in _numbers(optimizer).items()},
            "weights": optimizer.get_weights(),
        },
        "random": steps.stream.get_state(),
        "states": [variable.numpy() for variable in _carried(steps)],
        # An epoch begins with metrics that have counted nothing.
        "metrics": [gathered(metric) for metric in metrics] if within_epoch else None,
    }


def set_state(steps: Steps, state: Mapping[str, Any]) -> None:
    """Go on from there; see Model.set_training_state."""
    model, optimizer = steps.model, steps.optimizer
    of_optimizer = state["optimizer"]
    if of_optimizer["class"] != type(optimizer).__name__:
        raise ValueError(f"the state is of the optimizer {of_optimizer['class']}, the model has {type(optimizer).__name__}")
    came, wanted = [w.shape for w in state["weights"]], [w.shape for w in model.get_weights()]
    if came != wanted:
        raise ValueError(f"the state is of weights of shapes {came}, the model's are {wanted}")
    carried = _carried(steps)
    came, wanted = [array.shape for array in state["states"]], [variable.shape for variable in carried]
    if came != wanted:
        raise ValueError(f"the state is of stateful layers that carry over shapes {came}, the model's carry over {wanted}")
    metrics = _metrics(steps)
    gathered = state["metrics"]
    if gathered is not None and len(metrics) != len(gathered):
        raise ValueError(f"the state is of {len(gathered)} metrics that gather an epoch, the model has {len(metrics)}")
    if of_optimizer["weights"]:
        steps.bind_optimizer()
        steps.turn_optimizer()
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
                setattr(metric, name, copy.deepcopy(value))  # the caller keeps what came
    steps.stream.set_state(state["random"])


def _carried(steps: Steps) -> list[Variable]:
    """What stateful layers move in each batch and no weight holds."""
    moved = {id(update.variable): update.variable for update in steps.model.state_updates}
    held = {id(weight) for layer in steps.model.layers for weight in layer.weights}
    return [variable for key, variable in moved.items() if key not in held]


def _metrics(steps: Steps) -> list[Any]:
    """Those that keep a state, of the training that goes on."""
    return [metric.function for metric in (steps.session.objective or steps.objective).metrics if metric.stateful]


def _numbers(optimizer: Any) -> dict[str, Variable]:
    """The learning rate and what else a callback may have changed, and the count of steps."""
    return {name: value for name, value in vars(optimizer).items() if isinstance(value, Variable)}
