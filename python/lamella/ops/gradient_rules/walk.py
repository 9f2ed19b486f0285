"""The backward pass over recorded calls of ops: it calls the rule of each op, last call first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from lamella.core.types import Array, Value
from lamella.core.variable import Variable
from lamella.ops import math, time_steps
from lamella.ops.tape import Tape, Tensor, value_of

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """The call of an op that the tape recorded.

    Attributes:
        op: The op.
        inputs: Its positional arguments.
        config: Its keyword arguments.
        y: Its result; a tuple for an op with several results.
        need: For each input, whether it needs a gradient.
    """

    op: Any
    inputs: tuple[Value, ...]
    config: dict[str, Any]
    y: Tensor
    need: tuple[bool, ...]


# rule(call, dy): a gradient for each input that needs one. For an op with several results dy is a tuple, with None for results
# without a gradient.
Rule: TypeAlias = Callable[[Call, Any], Sequence[Value | None]]

# The rule of each op. The other files of this folder fill it, each with the ops of its family.
RULES: dict[Any, Rule] = {}


def constant_slope(call: Call) -> Array:
    """dx of a piecewise linear op with one input, for a dy of ones. Its own gradient is 0, so an array is enough."""
    op_backward = call.op.__wrapped__(value_of(call.inputs[0]), **call.config)[1]
    slope: Array = op_backward(np.ones(call.y.shape, call.y.dtype), (True,))[0]
    return slope


def watch(tape: Tape, x: Value) -> Tensor:
    """A new Tensor with x's value, as a source of gradients. If x is on the tape, its gradients continue to x."""
    found = time_steps._identity(x)
    if isinstance(found, Tensor):
        return found
    tape.nodes.append(None)  # an entry without a backward
    return Tensor(found, tape.first + len(tape.nodes) - 1, tape.block)


def gradients_on_tape(tape: Tape, run: Callable[[], Value], sources: Sequence[Tensor | Variable]) -> list[Value | None]:
    """d sum(run()) / d source for each source, as Tensors of the tape that records.

    Args:
        tape: The tape that records.
        run: A function that computes on the sources with ops.
        sources: Tensors of `watch`, or Variables of the tape.

    Returns:
        The gradients; None for a source on which the result does not depend.

    Raises:
        NotImplementedError: An op between the sources and the result has no rule.
    """

    def gradients() -> list[Value | None]:
        start = len(tape.calls or ())
        return gradients_of_calls(tape, run(), sources, start)

    return recording_calls(tape, gradients)


def recording_calls(tape: Tape, run: Callable[[], T]) -> T:
    """run(), while the tape also records the calls of ops."""
    outer = tape.calls
    tape.calls = [] if outer is None else outer
    try:
        return run()
    finally:
        tape.calls = outer


def gradients_of_calls(tape: Tape, y: Value, sources: Sequence[Value], start: int = 0) -> list[Value | None]:
    """d sum(y) / d source for each source, by the rules for the recorded calls from number `start` on.

    Args:
        tape: The tape that recorded the calls.
        y: The result.
        sources: Tensors of `watch`, or Variables of the tape.
        start: Number of the first call.

    Returns:
        The gradients; None for a source on which y does not depend.

    Raises:
        NotImplementedError: An op between the sources and y has no rule.
    """
    calls = tape.calls
    assert calls is not None
    if not isinstance(y, Tensor):
        return [None] * len(sources)
    return backpropagate(calls[start:], {key_of(y): np.ones(y.shape, y.dtype)}, sources)


def key_of(x: Value) -> tuple[str, int] | None:
    """A key that identifies a Tensor or Variable; None for a constant."""
    if isinstance(x, Tensor):
        return "tensor", x.index
    return ("variable", id(x)) if isinstance(x, Variable) else None


def backpropagate(
    calls: Sequence[tuple[Any, tuple[Value, ...], dict[str, Any], Any]], slopes: dict[Any, Value], sources: Sequence[Value]
) -> list[Any]:
    """The gradients of `sources`; None for one on which no result depends.

    Args:
        calls: Op, inputs, keyword arguments and result of each call, in the order of the calls.
        slopes: The gradients of results, by their keys (`key_of`). Gradients are added to it.
        sources: Tensors or Variables.

    Raises:
        NotImplementedError: An op between the sources and the results has no rule.
    """
    wanted = {key_of(source) for source in sources}
    dependent = set(wanted)
    relevant = []
    for op, inputs, config, result in calls:
        need = tuple(x is not None and key_of(x) in dependent for x in inputs)
        if any(need):
            dependent |= {key_of(each) for each in (result if isinstance(result, tuple) else (result,))}
            relevant.append(Call(op, inputs, config, result, need))
    for call in reversed(relevant):
        results = call.y if isinstance(call.y, tuple) else (call.y,)
        found = [(slopes.get if key in wanted else slopes.pop)(key, None) for key in map(key_of, results)]
        if all(dy is None for dy in found):
            continue
        rule = RULES.get(call.op)
        if rule is None:
            raise NotImplementedError(
                f"K.gradients: the gradient of {call.op.__name__} has no gradient of its own, which gradients of gradients, and "
                "training through K.gradients, need"
            )
        dy = tuple(found) if isinstance(call.y, tuple) else found[0]
        for x, needed, dx in zip(call.inputs, call.need, rule(call, dy)):
            if needed and dx is not None:
                collect(slopes, x, dx)
    return [slopes.get(key_of(source)) for source in sources]


def collect(slopes: dict[Any, Value], x: Value, dx: Value) -> None:
    """Add dx to the gradient of x in `slopes`."""
    key = key_of(x)
    slopes[key] = dx if key not in slopes else math.add(slopes[key], dx)
