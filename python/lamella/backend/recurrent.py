"""K.rnn: a function of one step, over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.types import Value
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs
from lamella.ops.time_steps import over_time, stack_time

__all__ = ["rnn"]

# step(x_t [N, ...], [*states, *constants]) -> (y_t [N, ...], new states)
StepFunction = Callable[[Value, list[Value]], tuple[Value, Sequence[Value]]]


def _flat(
    step_function: StepFunction,
    inputs: Value,
    initial_states: Sequence[Value],
    go_backwards: bool,
    mask: Value | None,
    constants: Sequence[Value],
) -> Any:
    """[last output, outputs, *last states]: a node of a graph returns a flat list."""
    outputs, states = over_time(
        lambda x, states: step_function(x, [*states, *constants]), inputs, initial_states, mask=mask, go_backwards=go_backwards
    )
    return [outputs[-1], stack_time(*outputs), *states]


_node = in_graphs(_flat, "rnn")


@checked
def rnn(
    step_function: StepFunction,
    inputs: Value,
    initial_states: Sequence[Value],
    go_backwards: bool = False,
    mask: Value | None = None,
    constants: Sequence[Value] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Value, Value, list[Value]]:
    """Call a function for each time step, with the states that it returned for the one before.

    Args:
        step_function: Of (x_t [N, ...], [*states, *constants]); returns (output [N, ...], new states).
        inputs: [N, T, ...], three axes or more.
        initial_states: [N, ...] each; there may be none.
        go_backwards: From the last step to the first; the outputs stand in the order in which they are computed.
        mask: [N, T], of any pattern. At a masked step the states stay and the output repeats the one before, zeros if there was
            none.
        constants: Handed to each call.
        unroll: The same numbers; demands that T is known.
        input_length: Taken for Keras's sake; only Theano needs it.

    Returns:
        The last output, the outputs [N, T, ...], and the last states.

    Raises:
        ValueError: "Input should be at least 3D.", a mask of another shape, another number of states.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    if len(inputs.shape) < 3:
        raise ValueError(f"Input should be at least 3D. Got shape {tuple(inputs.shape)}")
    if unroll and inputs.shape[1] is None:
        raise ValueError("Unrolling requires a fixed number of timesteps.")
    last, outputs, *states = _node(step_function, inputs, list(initial_states), go_backwards, mask, list(constants or ()))
    return last, outputs, states
