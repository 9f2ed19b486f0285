"""K.gradients inside of a layer's call, of values that arise there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.random import drawing, drawn
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.ops.gradient_rules import gradients_of_calls, recording_calls, watch
from lamella.ops.tape import Tape, Tensor, recording, value_of


class GradientsOfValues(TypeError):
    """Gradients of values were asked for, and nobody had noted how they were made."""


class Asking:
    """What a layer remembers of its call."""

    # Whether it asked for gradients of values, so that a tape has to note what it computes.
    asks_gradients = False


def gradients_of_values(loss: Value, wanted: Sequence[Value | Variable]) -> list[Value | None]:
    """d sum(loss) / d each of `wanted`, tensors of a layer's call or its weights; None where loss does not depend on it.

    Raises:
        GradientsOfValues: Outside of a call that is noted.
        NotImplementedError: For a Variable that is not the layer's, and for an op on the way that has no rule.
    """
    tape = recording()
    if tape is None or tape.calls is None or not isinstance(loss, (Tensor, np.ndarray)):
        raise GradientsOfValues(
            f"K.gradients: expected a tensor of a graph, and tensors or Variables that it is made of, "
            f"got {type(loss).__name__} and {[type(v).__name__ for v in wanted]}; "
            "to differentiate values compute them under a lamella.ops.tape.Tape, whose watch() takes arrays"
        )
    read = {id(x) for call in tape.calls for x in call[1]}
    for variable in wanted:
        if isinstance(variable, Variable) and variable not in tape.places and id(variable) in read:
            raise not_on_tape(variable)
    return gradients_of_calls(tape, loss, wanted)


def not_on_tape(variable: Variable) -> NotImplementedError:
    """The error of gradients by a Variable of which the tape that records keeps nothing."""
    return NotImplementedError(
        f"K.gradients: gradients by '{variable.name}' stand on no tape: it is not among what is trained or differentiated by"
    )


def call_asking(layer: Any, call: Callable[..., Value], inputs: Value, **named: Any) -> Value:
    """call(inputs, **named), noted on a tape if it asks for gradients of values.

    The first time it is then called twice. What the first of these calls added and noted is removed, and both draw the same.
    """
    if layer.asks_gradients:
        return _noted(layer, call, inputs, **named)
    return drawing(_tried, layer, call, inputs, named)


def _tried(layer: Any, call: Callable[..., Value], inputs: Value, named: dict[str, Any]) -> Value:
    noted, losses, draws = pending.updates, layer.call_losses.values, drawn()
    updates, count, position = None if noted is None else dict(noted), len(losses), draws.position
    try:
        return call(inputs, **named)
    except GradientsOfValues:
        layer.asks_gradients = True
    if noted is not None and updates is not None:
        noted.clear()
        noted.update(updates)
    del losses[count:]
    draws.position = position
    for member in layer.members():
        if member is not layer:
            member.call_losses.run = None  # so its next call forgets what it added
    return _noted(layer, call, inputs, **named)


def _noted(layer: Any, call: Callable[..., Value], inputs: Value, **named: Any) -> Value:
    tape = recording()
    if tape is not None:
        outer = tape
        return recording_calls(outer, lambda: call(_each(inputs, lambda x: watch(outer, x)), **named))
    with Tape(layer.weights) as own:
        given = _each(inputs, lambda x: own.watch(value_of(x)))  # type: ignore[arg-type]
        return _each(recording_calls(own, lambda: call(given, **named)), value_of)


def _each(values: Value, function: Callable[[Any], Any]) -> Value:
    return [function(x) for x in values] if isinstance(values, (list, tuple)) else function(values)
