"""K: connectionist temporal classification. The last class is the blank. Two equal labels in sequence need a blank between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamella import ops
from lamella.backend.sparse import SparseValue
from lamella.core.config import epsilon
from lamella.core.types import Array, Value
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs
from lamella.graph.trial import Specs
from lamella.ops.ctc_paths import beam_paths, greedy_paths, log_probabilities
from lamella.ops.tape import array_of

__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]


@in_graphs
def ctc_batch_cost(y_true: Value, y_pred: Value, input_length: Value, label_length: Value) -> Value:
    """-log of the probability of the labels, summed over all their alignments with the steps. y_pred gets a gradient.

    Args:
        y_true: Whole numbers [N, L], labels in [0, C - 1). A row may end with blanks, C - 1, which do not count; a row of only
            blanks means an empty label sequence. Values after a row's length are ignored.
        y_pred: float [N, T, C], probabilities. K.epsilon() is added, and each row is divided by its sum.
        input_length: Whole numbers [N, 1], the number of steps of each sample.
        label_length: Whole numbers [N, 1], the number of labels of each sample.

    Returns:
        [N, 1], with y_pred's dtype. If there are too few steps for the labels it is inf, and its gradient is zero.

    Raises:
        ValueError: Shapes do not fit, or lengths or labels are out of range, NaN or not whole numbers.

    Source: Keras 2.2.5, TensorFlow backend, which raises an error if there are too few steps.
    """
    shape = tuple(y_pred.shape)
    if len(shape) != 3 or np.ndim(array_of(y_true)) != 2 or len(y_true.shape) != 2 or y_true.shape[0] != shape[0]:
        raise ValueError(f"expected y_true [N, L] and y_pred [N, T, C], got {tuple(y_true.shape)} and {shape}")
    steps = _lengths(input_length, (shape[0], 1), shape[1], "input_length")
    lengths = _lengths(label_length, (shape[0], 1), y_true.shape[1], "label_length")
    labels, lengths = _labels(array_of(y_true), lengths, shape[2] - 1)
    return ops.ctc_loss(y_pred, labels=labels, steps=steps, lengths=lengths, epsilon=epsilon())


def _lengths(given: Value, shape: tuple[int, ...], most: int, name: str) -> Any:
    """Lengths as int64 [N], checked."""
    array = array_of(given)
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")
    found = _whole(array, name).reshape(-1)
    if found.size and (found.min() < 0 or found.max() > most):
        raise ValueError(f"expected {name} from 0 to {most}, got {found.min()} to {found.max()}")
    return found


def _labels(given: Array, lengths: Array, blank: int) -> tuple[Array, Array]:
    """The labels, and the number of labels of each row, without the blanks at its end."""
    used = np.arange(given.shape[1]) < lengths[:, None]
    labels = _whole(np.where(used, given, 0), "y_true")
    if (used & ((labels < 0) | (labels > blank))).any():
        raise ValueError(f"expected labels in [0, {blank}), and {blank} for the blank, got {labels.min()} to {labels.max()}")
    read = used & (labels < blank)
    counts = read.sum(axis=1)
    if (read & (np.arange(given.shape[1]) >= counts[:, None])).any():
        raise ValueError(f"expected blanks, class {blank}, only at the end of a row of labels, got a label after one")
    return np.where(read, labels, 0), counts


def _whole(array: Array, name: str) -> Array:
    """Whole numbers as int64, checked."""
    whole = np.asarray(array)
    if whole.dtype.kind == "f" and not np.array_equal(whole, np.trunc(whole)):
        what = "NaN" if np.isnan(whole).any() else "fractions"
        raise ValueError(f"expected whole numbers in {name}, got {what}")
    return whole.astype(np.int64)


def _paths_specs(specs: Specs, arguments: Mapping[str, Any]) -> Specs:
    shape, dtype = specs[0]
    paths = 1 if arguments["greedy"] else arguments["top_paths"]
    return (((shape[0], None), "int64"),) * paths + (((shape[0], paths), dtype),)


def _paths(
    y_pred: Value,
    input_length: Value,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = False,
) -> list[Array]:
    """The results of ctc_decode in one list."""
    p = array_of(y_pred)
    if p.ndim != 3:
        raise ValueError(f"expected y_pred [N, T, C], got shape {p.shape}")
    steps = _lengths(input_length, p.shape[:1], p.shape[1], "input_length")
    if greedy:
        found, scores = greedy_paths(p, steps, epsilon())
        return [_dense(found), scores.astype(p.dtype)]
    if not 0 < top_paths <= beam_width:
        raise ValueError(f"expected 1 to beam_width={beam_width} top_paths, got {top_paths}")
    columns: list[list[Any]] = [[] for _ in range(top_paths)]
    rows = []
    for logs, count in zip(log_probabilities(p, epsilon()), steps):
        paths, totals = beam_paths(logs[:count], beam_width)
        if len(paths) < top_paths:
            raise ValueError(f"expected at least top_paths={top_paths} label sequences for {count} steps, found {len(paths)}")
        rows.append(totals[:top_paths])
        for column, path in zip(columns, paths):
            column.append([c for i, c in enumerate(path) if not merge_repeated or not i or path[i - 1] != c])
    return [*map(_dense, columns), np.asarray(rows, p.dtype).reshape(len(p), top_paths)]


def _dense(rows: list[Any]) -> Array:
    """Rows of labels as one array, filled up with -1."""
    dense = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int64)
    for row, labels in zip(dense, rows):
        row[: len(labels)] = labels
    return dense


_ctc_paths = in_graphs(_paths, "ctc_paths", specs=_paths_specs)


@checked
def ctc_decode(
    y_pred: Value,
    input_length: Value,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = False,
) -> tuple[list[Value], Value]:
    """The most probable label sequences.

    Args:
        y_pred: float [N, T, C], probabilities.
        input_length: Whole numbers [N], the number of steps of each sample.
        greedy: Whether the best class of each step is used. Otherwise it is a beam search.
        beam_width: The number of best prefixes that a beam search keeps at each step.
        top_paths: The number of sequences that a beam search returns.
        merge_repeated: Whether a beam search also leaves out labels that are equal to the label before.

    Returns:
        A list of int64 arrays [N, length of the longest sequence], filled up with -1, and scores. For greedy the scores are minus
        the sum of the logarithms of the best probabilities, [N, 1]; for a beam search the log probabilities, [N, top_paths].

    Raises:
        ValueError: Shapes do not fit, lengths are out of range, or there are fewer sequences than top_paths.

    Source: Keras 2.2.5, TensorFlow backend.
    """
    found = _ctc_paths(y_pred, input_length, greedy, beam_width, top_paths, merge_repeated)
    return found[:-1], found[-1]


@checked
def ctc_label_dense_to_sparse(labels: Value, label_lengths: Value) -> SparseValue:
    """The first label_lengths[n] labels of each row n, as a SparseValue.

    Args:
        labels: [N, L].
        label_lengths: Whole numbers [N] or [N, 1].

    Raises:
        TypeError: An argument is a symbolic tensor. K.ctc_batch_cost takes dense labels.
        ValueError: Shapes do not fit, or a length is out of range.
    """
    rows = array_of(labels)
    if rows.ndim != 2:
        raise ValueError(f"expected labels [N, L], got shape {rows.shape}")
    lengths = _lengths(np.reshape(array_of(label_lengths), -1), rows.shape[:1], rows.shape[1], "label_lengths")
    indices = np.argwhere(np.arange(rows.shape[1]) < lengths[:, None])
    return SparseValue(indices, rows[tuple(indices.T)], rows.shape)
