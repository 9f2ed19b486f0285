"""Paths of connectionist temporal classification (see ctc.py): their probabilities, and the labels of the best paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.core.types import Array, Floats

Integers = NDArray[np.int64]


def log_probabilities(p: Array, epsilon: float) -> Floats:
    """log((p + epsilon) / its sum over the classes)."""
    logits = np.log(np.asarray(p, np.float64) + epsilon)
    rows: Floats = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return rows


def greedy_paths(p: Array, steps: Integers, epsilon: float) -> tuple[list[Integers], Floats]:
    """The labels of the path with the best class of each step, and minus the sum of the logarithms of p + epsilon [N, 1]."""
    logs = np.log(np.asarray(p, np.float64) + epsilon)
    best = logs.argmax(axis=-1) if p.shape[2] else np.zeros(p.shape[:2], np.int64)
    counted = np.arange(p.shape[1]) < steps[:, None]
    new = np.ones(best.shape, np.bool_)
    new[:, 1:] = best[:, 1:] != best[:, :-1]
    kept = counted & new & (best != p.shape[2] - 1)
    scores = -np.where(counted, logs.max(axis=-1, initial=-np.inf), 0.0).sum(axis=1, keepdims=True)
    return [row[mask].astype(np.int64) for row, mask in zip(best, kept)], scores


def beam_paths(logs: Floats, width: int) -> tuple[list[tuple[int, ...]], Floats]:
    """The most probable label sequences of one sequence, best first, and their log probabilities.

    Args:
        logs: [T, C], log probabilities of the classes at each step.
        width: The number of best prefixes that are kept at each step.
    """
    blank = logs.shape[1] - 1
    beams: list[tuple[int, ...]] = [()]
    ends_blank, ends_label = np.zeros(1), np.full(1, -np.inf)
    for step in logs:
        total = np.logaddexp(ends_blank, ends_label)
        last = np.array([beam[-1] if beam else blank for beam in beams])
        # Each prefix continues with a blank, with a repeat of its last label, or with a new label.
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
