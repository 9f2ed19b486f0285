"""The loop over time steps, which calls a function of one step, with states and masks. K.rnn and the layers use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella.core.types import Array, Value
from lamella.ops.arrays import concatenated
from lamella.ops.math import where
from lamella.ops.tape import Backward, Gradients, Tensor, array_of, differentiable

# step(x_t [N, ...], states) -> (y_t [N, ...], new states)
Step = Callable[[Value, list[Value]], tuple[Value, Sequence[Value]]]


@differentiable
def _identity(x: Array) -> tuple[Array, Backward]:
    """x as a new Tensor, which only the caller can read."""
    return x, lambda dy, need: (dy,)


@differentiable
def _step_of(x: Array, *, t: int, found: list[Array]) -> tuple[Array, Backward]:
    """x[:, t]. The gradients of all steps are written into one array, which the first backward allocates and returns.

    Only these steps read x, so the tape adds nothing to this array. So T steps need one array, not T.

    Args:
        x: [N, T, ...].
        t: The step.
        found: A list that all steps share. It holds this array as soon as it exists.
    """

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        if found:
            found[0][:, t] = dy
            return (None,)
        found.append(np.zeros_like(x))
        found[0][:, t] = dy
        return (found[0],)

    return x[:, t], backward


def unstack_time(x: Value) -> list[Value]:
    """[N, T, ...] -> x[:, t] for each t."""
    x = _identity(x)
    if type(x) is not Tensor:
        return [x[:, t] for t in range(x.shape[1])]
    found: list[Array] = []
    return [_step_of(x, t=t, found=found) for t in range(x.shape[1])]


@differentiable
def stack_time(*ys: Array) -> tuple[Array, Backward]:
    """T arrays [N, ...] -> [N, T, ...]."""
    y = concatenated([y[:, None] for y in ys], 1)
    return y, lambda dy, need: tuple(dy[:, t] for t in range(len(ys)))


def over_time(
    step: Step, inputs: Value, states: Sequence[Value], *, mask: Value | None = None, go_backwards: bool = False
) -> tuple[list[Value], list[Value]]:
    """The outputs of all steps, in the order of computation, and the last states.

    Args:
        step: The function of one step.
        inputs: [N, T, ...].
        states: The initial states, [N, ...] each; the list may be empty.
        mask: bool [N, T], in any pattern. Where it is False the states do not change, and the output is that of the step before,
            or zeros if there is none. A step that is masked for all samples is not computed, except the first.
        go_backwards: Whether the steps, and the mask, are read from the last to the first.

    Raises:
        ValueError: inputs have less than three axes or no steps, mask is not [N, T], or the step returns another number of states.

    Source: Keras 2.2.5, K.rnn of the TensorFlow backend.
    """
    shape = tuple(inputs.shape)
    if len(shape) < 3:
        raise ValueError(f"Input should be at least 3D. Got shape {shape}")
    if not shape[1]:
        raise ValueError(f"expected at least one time step, got inputs of shape {shape}")
    kept = None if mask is None else _kept(mask, shape)
    order = range(shape[1])[::-1] if go_backwards else range(shape[1])
    steps, states, outputs = unstack_time(inputs), list(states), list[Value]()
    for t in order:
        if kept is not None and outputs and not kept[:, t].any():
            outputs.append(outputs[-1])
            continue
        y, new = step(steps[t], states)
        if len(new) != len(states):
            raise ValueError(f"expected the step to return {len(states)} states, got {len(new)}")
        if kept is not None and not kept[:, t].all():
            before = outputs[-1] if outputs else np.zeros(y.shape, y.dtype)
            y = _where(kept[:, t], y, before)
            new = [_where(kept[:, t], value, old) for value, old in zip(new, states)]
        outputs.append(y)
        states = list(new)
    return outputs, states


def _kept(mask: Value, shape: tuple[int, ...]) -> Array:
    """The mask as bool [N, T]."""
    kept = array_of(mask)
    if kept.ndim == 3 and kept.shape[-1] == 1:
        kept = kept[..., 0]
    if kept.shape != shape[:2]:
        raise ValueError(f"mask should have `shape=(samples, time)`, got {kept.shape} for inputs of shape {shape}")
    return kept.astype(bool)


def _where(kept: Array, new: Value, old: Value) -> Value:
    """`new` for the samples that are kept, `old` for the others."""
    return where(new, old, condition=kept.reshape(-1, *[1] * (len(new.shape) - 1)))
