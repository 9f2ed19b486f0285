"""Connectionist temporal classification: the loss of label sequences without an alignment, for whole batches, in NumPy float64.

A path has one class for each step; the last class is the blank. Its labels are what remains after repeated classes are merged
and blanks are removed. There are N sequences of T steps, C classes, at most L labels, and S = 2 L + 1 states: the labels with
blanks before, between and after them.

Source: A. Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.core.types import Array, Floats
from lamella.ops.ctc_paths import Integers, log_probabilities
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def ctc_loss(p: Array, *, labels: Integers, steps: Integers, lengths: Integers, epsilon: float) -> tuple[Array, Backward]:
    """-log of the probability of all paths with these labels; inf if there are too few steps for them.

    Args:
        p: float32 or float64 [N, T, C], positive. p + epsilon is divided by its sum over the classes.
        labels: int64 [N, L], below C - 1. Labels after a row's length are ignored.
        steps: int64 [N], the number of steps of each sequence.
        lengths: int64 [N], the number of labels of each sequence.
        epsilon: Added to p.

    Returns:
        Same dtype, [N, 1]. The gradient of a row with loss inf is zero.
    """
    logs = log_probabilities(p, epsilon)
    states, skips = _states(labels, lengths, p.shape[2] - 1)
    emitted = np.take_along_axis(logs, states[:, None, :], axis=2)
    forward = _forward(emitted, skips, steps)
    ends = _ends(lengths, states.shape[1])
    total = np.logaddexp.reduce(np.where(ends, forward[-1], -np.inf), axis=1)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        possible = np.isfinite(total)
        rest = _backward(emitted, skips, steps, ends)
        with np.errstate(invalid="ignore"):
            shares = np.exp(forward[1:].transpose(1, 0, 2) + rest - total[:, None, None])
        counted = np.arange(p.shape[1]) < steps[:, None]
        shares = np.where((counted & possible[:, None])[..., None], shares, 0.0)
        slopes = np.where((counted & possible[:, None])[..., None], np.exp(logs), 0.0)
        rows = np.arange(len(p))
        for s in range(states.shape[1]):
            slopes[rows, :, states[:, s]] -= shares[:, :, s]
        dp = slopes / (np.asarray(p, np.float64) + epsilon) * dy.reshape(-1, 1, 1)
        return (dp.astype(p.dtype),)

    return (-total)[:, None].astype(p.dtype), backward


def _states(labels: Integers, lengths: Integers, blank: int) -> tuple[Integers, NDArray[np.bool_]]:
    """The class of each state [N, S], and whether a path may reach the state from the one two before it, without the blank."""
    used = np.arange(labels.shape[1]) < lengths[:, None]
    states = np.full((len(labels), 2 * labels.shape[1] + 1), blank, np.int64)
    states[:, 1::2] = np.where(used, labels, blank)
    skips = np.zeros(states.shape, np.bool_)
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skips


def _ends(lengths: Integers, count: int) -> NDArray[np.bool_]:
    """The states in which a path may end: the last label and the blank after it."""
    place = np.arange(count)
    last = 2 * lengths[:, None]
    ends: NDArray[np.bool_] = (place == last) | (place == last - 1)
    return ends


def _forward(emitted: Floats, skips: NDArray[np.bool_], steps: Integers) -> Floats:
    """[T + 1, N, S]: the log probability of being in a state after t steps. After a sequence's end it does not change."""
    count, length, states = emitted.shape
    logs = np.full((length + 1, count, states + 2), -np.inf)
    # Two states of probability 0 come first. Before the first step each path is in the first blank.
    logs[0, :, 2] = 0.0
    for t in range(length):
        before = logs[t]
        came = np.logaddexp(before[:, 2:], before[:, 1:-1])
        came = np.logaddexp(came, np.where(skips, before[:, :-2], -np.inf))
        logs[t + 1, :, 2:] = np.where((t < steps)[:, None], came + emitted[:, t], before[:, 2:])
    return logs[:, :, 2:]


def _backward(emitted: Floats, skips: NDArray[np.bool_], steps: Integers, ends: NDArray[np.bool_]) -> Floats:
    """[N, T, S]: the log probability of all steps after t, given the state at step t."""
    count, length, states = emitted.shape
    rest = np.empty((count, length, states))
    last = np.where(ends, 0.0, -np.inf)
    after = np.full((count, states + 2), -np.inf)
    jumps = np.concatenate([skips[:, 2:], np.zeros((count, 2), np.bool_)], axis=1)[:, :states]
    for t in range(length - 1, -1, -1):
        came = np.logaddexp(after[:, :states], after[:, 1:-1])
        came = np.logaddexp(came, np.where(jumps, after[:, 2:], -np.inf))
        rest[:, t] = np.where((t >= steps - 1)[:, None], last, came)
        after[:, :states] = rest[:, t] + emitted[:, t]
    return rest
