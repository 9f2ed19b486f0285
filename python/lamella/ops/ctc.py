"""Connectionist temporal classification: the loss of label sequences without an alignment. Whole batches, in float64, on NumPy.

A path has a class for each step; the last class is the blank. It spells the labels that are left when repeats are merged and
blanks dropped. N sequences of T steps and C classes, L labels at most; S = 2 L + 1 states, the labels with blanks between.

Source: A. Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.core.types import Array
from lamella.ops.tape import Backward, Gradients, differentiable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def log_probabilities(p: Array, epsilon: float) -> Floats:
    """log((p + epsilon) / its sum over the classes)."""
    logits = np.log(np.asarray(p, np.float64) + epsilon)
    rows: Floats = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return rows


@differentiable
def ctc_loss(p: Array, *, labels: Integers, steps: Integers, lengths: Integers, epsilon: float) -> tuple[Array, Backward]:
    """-log of the probability of all paths that spell the labels; inf where the steps are too few for them.

    Args:
        p: float32 or float64 [N, T, C], positive; each row is divided by its sum.
        labels: [N, L], below C - 1; what stands behind a row's length is not read.
        steps, lengths: [N], how many of T and of L count.
        epsilon: Added to p.

    Returns:
        Same dtype, [N, 1]. The gradient of a row that is inf is zero.
    """
    logs = log_probabilities(p, epsilon)
    states, skips = _states(labels, lengths, p.shape[2] - 1)
    emitted = np.take_along_axis(logs, states[:, None, :], axis=2)
    forward = _forward(emitted, skips, steps)
    ends = _ends(lengths, states.shape[1])
    total = np.logaddexp.reduce(np.where(ends, forward[-1], -np.inf), axis=1)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        possible = np.isfinite(total)
        behind = _backward(emitted, skips, steps, ends)
        with np.errstate(invalid="ignore"):
            shares = np.exp(forward[1:].transpose(1, 0, 2) + behind - total[:, None, None])
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
    """The class of each state [N, S], and whether it can be reached from the state before the last blank."""
    used = np.arange(labels.shape[1]) < lengths[:, None]
    states = np.full((len(labels), 2 * labels.shape[1] + 1), blank, np.int64)
    states[:, 1::2] = np.where(used, labels, blank)
    skips = np.zeros(states.shape, np.bool_)
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skips


def _ends(lengths: Integers, count: int) -> NDArray[np.bool_]:
    """Where a path may end: at the last label, or the blank behind it."""
    place = np.arange(count)
    last = 2 * lengths[:, None]
    ends: NDArray[np.bool_] = (place == last) | (place == last - 1)
    return ends


def _forward(emitted: Floats, skips: NDArray[np.bool_], steps: Integers) -> Floats:
    """[T + 1, N, S]: the log probability of being in a state after t steps; what follows a sequence's end stays as it is."""
    count, length, states = emitted.shape
    logs = np.full((length + 1, count, states + 2), -np.inf)
    # Two states in front that nobody is in. Before the first step each path is in the first blank.
    logs[0, :, 2] = 0.0
    for t in range(length):
        before = logs[t]
        came = np.logaddexp(before[:, 2:], before[:, 1:-1])
        came = np.logaddexp(came, np.where(skips, before[:, :-2], -np.inf))
        logs[t + 1, :, 2:] = np.where((t < steps)[:, None], came + emitted[:, t], before[:, 2:])
    return logs[:, :, 2:]


def _backward(emitted: Floats, skips: NDArray[np.bool_], steps: Integers, ends: NDArray[np.bool_]) -> Floats:
    """[N, T, S]: the log probability of what comes after being in a state at step t."""
    count, length, states = emitted.shape
    behind = np.empty((count, length, states))
    last = np.where(ends, 0.0, -np.inf)
    after = np.full((count, states + 2), -np.inf)
    jumps = np.concatenate([skips[:, 2:], np.zeros((count, 2), np.bool_)], axis=1)[:, :states]
    for t in range(length - 1, -1, -1):
        came = np.logaddexp(after[:, :states], after[:, 1:-1])
        came = np.logaddexp(came, np.where(jumps, after[:, 2:], -np.inf))
        behind[:, t] = np.where((t >= steps - 1)[:, None], last, came)
        after[:, :states] = behind[:, t] + emitted[:, t]
    return behind


def greedy_paths(p: Array, steps: Integers, epsilon: float) -> tuple[list[Integers], Floats]:
    """What the best class of each step spells, and minus the sum of their logs [N, 1]."""
    logs = np.log(np.asarray(p, np.float64) + epsilon)
    best = logs.argmax(axis=-1) if p.shape[2] else np.zeros(p.shape[:2], np.int64)
    counted = np.arange(p.shape[1]) < steps[:, None]
    new = np.ones(best.shape, np.bool_)
    new[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = counted & new & (best != p.shape[2] - 1)
    scores = -np.where(counted, logs.max(axis=-1, initial=-np.inf), 0.0).sum(axis=1, keepdims=True)
    return [row[mask].astype(np.int64) for row, mask in zip(best, kept)], scores


def beam_paths(logs: Floats, width: int) -> tuple[list[tuple[int, ...]], Floats]:
    """The most probable label sequences of one sequence's steps [T, C], best first, and their log probabilities.

    At each step the `width` best prefixes are kept.
    """
    blank = logs.shape[1] - 1
    beams: list[tuple[int, ...]] = [()]
    ends_blank, ends_label = np.zeros(1), np.full(1, -np.inf)
    for step in logs:
        total = np.logaddexp(ends_blank, ends_label)
        last = np.array([beam[-1] if beam else blank for beam in beams])
        # Each prefix continues: with a blank, with its last label once more, or with one label more.
        stays_blank, stays_label = total + step[blank], ends_label + np.where(last == blank, -np.inf, step[last])
        more = total[:, None] + step[:blank]
        repeats = np.flatnonzero(last != blank)
        more[repeats, last[repeats]] = ends_blank[repeats] + step[last[repeats]]
        places = {beam: i for i, beam in enumerate(beams)}
        for i, beam in enumerate(beams):
            parent = places.get(beam[:-1]) if beam else None
            if parent is not None:
                stays_label[i] = np.logaddexp(stays_label[i], more[parent, beam[-1]])
                more[parent, beam[-1]] = -np.inf
        scores = np.concatenate([np.logaddexp(stays_blank, stays_label), more.ravel()])
        order = np.argsort(-scores, kind="stable")[:width]
        order = order[np.isfinite(scores[order])]
        kept = len(beams)
        new = [divmod(int(i) - kept, blank) if i >= kept else (int(i), None) for i in order]
        ends_blank = np.array([-np.inf if label is not None else stays_blank[i] for i, label in new])
        ends_label = np.array([more[i, label] if label is not None else stays_label[i] for i, label in new])
        beams = [(*beams[i], label) if label is not None else beams[i] for i, label in new]
    total = np.logaddexp(ends_blank, ends_label)
    order = np.argsort(-total, kind="stable")
    return [beams[i] for i in order], total[order]
