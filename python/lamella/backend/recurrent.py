"""K.rnn: a function of one step, called for all time steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.types import Value
from lamella.core.updates import looped
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs, in_this_run
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
    unroll: bool = False,
) -> Any:
    """[last output, outputs, *last states], because a node of a graph returns a flat list."""

    each = step_function if unroll else looped(step_function)

    def step(x: Value, states: list[Value]) -> tuple[Value, Sequence[Value]]:
        y, new = each(x, [*states, *constants])
        return in_this_run(y), [in_this_run(state) for state in new]

    outputs, states = over_time(step, inputs, initial_states, mask=mask, go_backwards=go_backwards)
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
    """Call a function for each time step, with the states that it returned for the step before.

    Args:
        step_function: step_function(x_t [N, ...], [*states, *constants]) returns (output [N, ...], new states).
        inputs: [N, T, ...], at least three axes.
        initial_states: [N, ...] each; the list may be empty.
        go_backwards: Whether the steps are computed from the last to the first. The outputs are in the order of computation.
        mask: [N, T], in any pattern. A masked step does not change the states, and its output is that of the step before, or
            zeros if there is none.
        constants: Passed to each call.
        unroll: Does not change the numbers, but a Variable that the function makes differs from step to step; T must be known.
        input_length: Has no effect; in Keras only Theano needs it.

    Returns:
        The last output, the outputs [N, T, ...], and the last states.

    Raises:
        ValueError: inputs have less than three axes, the mask has another shape, the function returns another number of states,
            or T is not known with unroll.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    if len(inputs.shape) < 3:
        raise ValueError(f"Input should be at least 3D. Got shape {tuple(inputs.shape)}")
    if unroll and inputs.shape[1] is None:
        raise ValueError("Unrolling requires a fixed number of timesteps.")
    last, outputs, *states = _node(
        step_function, inputs, list(initial_states), go_backwards, mask, list(constants or ()), unroll
    )
    return last, outputs, states
