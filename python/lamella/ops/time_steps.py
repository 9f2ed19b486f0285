"""The plain loop over time: a function of one step, called for each, with states and masks. K.rnn and the layers share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamella.core.types import Array, Value
from lamella.ops.math import where
from lamella.ops.tape import Backward, Gradients, Tensor, differentiable, value_of

# step(x_t [N, ...], states) -> (y_t [N, ...], new states)
Step = Callable[[Value, list[Value]], tuple[Value, Sequence[Value]]]


@differentiable
def _alone(x: Array) -> tuple[Array, Backward]:
    """x, with nobody else that reads it."""
    return x, lambda dy, need: (dy,)


@differentiable
def _step_of(x: Array, *, t: int, found: list[Array]) -> tuple[Array, Backward]:
    """x[:, t]. The gradients of all steps are written into one array, which the first of them to come back makes.

    The tape takes that array as it is, since only these steps read x: so T steps cost one array, not T.
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
    x = _alone(x)
    if type(x) is not Tensor:
        return [x[:, t] for t in range(x.shape[1])]
    found: list[Array] = []
    return [_step_of(x, t=t, found=found) for t in range(x.shape[1])]


@differentiable
def stack_time(*ys: Array) -> tuple[Array, Backward]:
    """T arrays [N, ...] -> [N, T, ...]."""
    return np.stack(ys, axis=1), lambda dy, need: tuple(dy[:, t] for t in range(len(ys)))


def over_time(
    step: Step, inputs: Value, states: Sequence[Value], *, mask: Value | None = None, go_backwards: bool = False
) -> tuple[list[Value], list[Value]]:
    """The output of each step, in the order in which they are computed, and the last states.

    Args:
        inputs: [N, T, ...].
        states: [N, ...] each; there may be none.
        mask: bool [N, T]. Where it is False the states stay, and the output is that of the step before, zeros if there was
            none. It may have any pattern. A step that is masked for all samples is not computed, but for the first.
        go_backwards: From the last step to the first, the mask too.

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
    kept = value_of(mask)
    assert kept is not None
    if kept.ndim == 3 and kept.shape[-1] == 1:
        kept = kept[..., 0]
    if kept.shape != shape[:2]:
        raise ValueError(f"mask should have `shape=(samples, time)`, got {kept.shape} for inputs of shape {shape}")
    return kept.astype(bool)


def _where(kept: Array, new: Value, old: Value) -> Value:
    return where(new, old, condition=kept.reshape(-1, *[1] * (len(new.shape) - 1)))
