"""K.gradients of values that are computed in a layer's call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.random import drawing, drawn
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.graph.weights_in_calls import keeping_weights
from lamella.ops.gradient_rules import gradients_of_calls, recording_calls, watch
from lamella.ops.tape import Tape, Tensor, recording, value_of


class GradientsOfValues(TypeError):
    """The error of K.gradients for values whose computation was not recorded."""


class Asking:
    """Base of Layer.

    Attributes:
        asks_gradients: Whether its call computes gradients of values, so that a tape must record the call.
    """

    asks_gradients = False

    @property
    def weights(self) -> list[Variable]:
        """All Variables of the layer."""
        raise NotImplementedError


def gradients_of_values(loss: Value, wanted: Sequence[Value | Variable]) -> list[Value | None]:
    """d sum(loss) / d variable for each of `wanted`; None for one on which the loss does not depend.

    Args:
        loss: A tensor that is computed in a layer's call.
        wanted: Tensors of this call, or weights of the layer.

    Raises:
        GradientsOfValues: The call is not recorded, or loss is not a tensor.
        NotImplementedError: A Variable is not a weight of the layer, or an op between them and the loss has no rule.
    """
    tape = recording()
    if tape is None or tape.calls is None or not isinstance(loss, (Tensor, np.ndarray)):
        raise GradientsOfValues(
            f"K.gradients: expected a tensor of a graph, and tensors or Variables from which it is computed, "
            f"got {type(loss).__name__} and {[type(v).__name__ for v in wanted]}; "
            "to differentiate values, compute them inside a lamella.ops.tape.Tape, whose watch() takes arrays"
        )
    read = {id(x) for call in tape.calls for x in call[1]}
    for variable in wanted:
        if isinstance(variable, Variable) and variable not in tape.places and id(variable) in read:
            raise not_on_tape(variable)
    return gradients_of_calls(tape, loss, wanted)


def not_on_tape(variable: Variable) -> NotImplementedError:
    """The error of K.gradients for a Variable that the recording tape does not watch."""
    return NotImplementedError(
        f"K.gradients: no tape records the gradient of '{variable.name}', because it is neither a trained weight nor one of the "
        "variables of the computed gradients"
    )


def call_asking(layer: Any, call: Callable[..., Value], inputs: Value, **named: Any) -> Value:
    """call(inputs, **named), recorded on a tape if it computes gradients of values.

    Such a call is made twice the first time. The losses and updates of the first of these two are removed, and both draw the
    same random numbers.

    Args:
        layer: The layer.
        call: Its call.
        inputs: The first argument of the call.
        **named: The other arguments of the call.
    """
    return keeping_weights(layer, functools.partial(_asking, layer, call, inputs, named))


def _asking(layer: Any, call: Callable[..., Value], inputs: Value, named: dict[str, Any]) -> Value:
    if layer.asks_gradients:
        return _recorded(layer, call, inputs, **named)
    return drawing(_tried, layer, call, inputs, named)


def with_inputs_again(again: Callable[[Any], Any] | None, call: Callable[..., Value]) -> Callable[..., Value]:
    """The call with what `again` makes of its inputs, see graph/inputs_again.py; `call` itself if there is no `again`."""
    return call if again is None else functools.partial(_with_inputs_again, again, call)


def _with_inputs_again(again: Callable[[Any], Any], call: Callable[..., Value], inputs: Value, **named: Any) -> Value:
    return call(again(inputs), **named)


def _tried(layer: Any, call: Callable[..., Value], inputs: Value, named: dict[str, Any]) -> Value:
    """The call; if it computes gradients of values, its effects are undone, and it is made again with a tape."""
    noted, losses, draws = pending.updates, layer.call_losses.entries, drawn()
    updates, count, position = None if noted is None else dict(noted), len(losses), draws.position
    positions = None if noted is None or noted.positions is None else dict(noted.positions)
    try:
        return call(inputs, **named)
    except GradientsOfValues:
        layer.asks_gradients = True
    if noted is not None and updates is not None:
        noted.clear()
        noted.update(updates)
        noted.positions = positions
    del losses[count:]
    draws.position = position
    for member in layer.members():
        if member is not layer:
            member.call_losses.run = None  # so that its next call removes the losses that it added
    return _recorded(layer, call, inputs, **named)


def _recorded(layer: Any, call: Callable[..., Value], inputs: Value, **named: Any) -> Value:
    """The call, recorded on the tape that records, or on a new one for the weights of the layer."""
    tape = recording()
    if tape is not None:
        outer = tape
        return recording_calls(outer, lambda: call(_each(inputs, lambda x: watch(outer, x)), **named))
    with Tape(layer.weights) as own:
        given = _each(inputs, lambda x: own.watch(value_of(x)))  # type: ignore[arg-type]
        return _each(recording_calls(own, lambda: call(given, **named)), value_of)


def _each(values: Value, function: Callable[[Any], Any]) -> Value:
    return [function(x) for x in values] if isinstance(values, (list, tuple)) else function(values)
