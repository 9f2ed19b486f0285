"""K: activations and losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella import activations, ops
from lamella.core.config import normalize_data_format
from lamella.core.random import draw_key
from lamella.core.types import Array, Value
from lamella.graph.connect import in_graphs
from lamella.ops.tape import array_of

__all__ = [
    "bias_add", "binary_crossentropy", "categorical_crossentropy", "dropout", "elu", "hard_sigmoid", "in_top_k",
    "l2_normalize", "relu", "sigmoid", "softmax", "softplus", "softsign", "sparse_categorical_crossentropy",
    "tanh",
]  # fmt: skip


relu, elu = in_graphs(activations.relu), in_graphs(activations.elu)
sigmoid, hard_sigmoid, tanh = (in_graphs(f) for f in (activations.sigmoid, activations.hard_sigmoid, activations.tanh))
softplus, softsign = in_graphs(activations.softplus), in_graphs(activations.softsign)


@in_graphs
def softmax(x: Value, axis: int = -1) -> Value:
    """exp(x) / sum(exp(x)) over `axis`, also for a vector, which the activation of this name refuses.

    Raises:
        ValueError: x does not have this axis.
    """
    return ops.softmax(x, axis=axis)


setattr(softmax, "__wrapped__", activations.softmax)  # `activations.get` finds it by this


@in_graphs
def categorical_crossentropy(target: Value, output: Value, from_logits: bool = False, axis: int = -1) -> Value:
    """The loss of each row, in output's shape without `axis`.

    Args:
        target: Probabilities of the classes.
        output: Predictions of the same shape; they are divided by their sum.
        from_logits: Whether the predictions are logits, of which the softmax is taken.
        axis: The axis of the classes.

    Raises:
        ValueError: There is no such axis, or the shapes differ.
    """
    if not _is_last(output, axis, "K.categorical_crossentropy"):
        target, output = _to_last(target, axis), _to_last(output, axis)
    return ops.categorical_crossentropy(output, target, from_logits=from_logits)


@in_graphs
def sparse_categorical_crossentropy(target: Value, output: Value, from_logits: bool = False, axis: int = -1) -> Value:
    """`categorical_crossentropy`, where `target` has labels: without `axis`, or with size 1 on it.

    Raises:
        ValueError: There is no such axis, or the labels have a wrong shape or range.
    """
    if not _is_last(output, axis, "K.sparse_categorical_crossentropy"):
        target = _to_last(target, axis) if len(target.shape) == len(output.shape) else target
        output = _to_last(output, axis)
    return ops.sparse_categorical_crossentropy(output, target, from_logits=from_logits)


def _is_last(output: Value, axis: int, who: str) -> bool:
    ndim = len(output.shape)
    if not -ndim <= axis < ndim:
        raise ValueError(f"{who}: expected an axis in [{-ndim}, {ndim}), got {axis} for shape {tuple(output.shape)}")
    return axis % ndim == ndim - 1


def _to_last(x: Value, axis: int) -> Value:
    """x with `axis` moved to the end."""
    kept = [i for i in range(len(x.shape)) if i != axis % len(x.shape)]
    return ops.transpose(x, axes=(*kept, axis % len(x.shape)))


@in_graphs
def binary_crossentropy(target: Value, output: Value, from_logits: bool = False) -> Value:
    """The loss of each element, in output's shape; see `categorical_crossentropy`: target and output are single probabilities."""
    # The op computes the mean over the last axis, so each element becomes a row.
    p, y = ops.reshape(output, shape=(*output.shape, 1)), ops.reshape(target, shape=(*target.shape, 1))
    return ops.binary_crossentropy(p, y, from_logits=from_logits)


@in_graphs
def in_top_k(predictions: Value, targets: Value, k: int) -> Array:
    """Whether predictions[i, targets[i]] is finite, and fewer than k elements of its row are larger.

    Args:
        predictions: [N, C].
        targets: Whole numbers [N] in [0, C).
        k: The number of elements.

    Returns:
        Booleans [N]. All elements that are equal to the k-th largest count, as in TensorFlow.

    Raises:
        ValueError: Shapes do not fit, or a target is out of range.
    """
    p, labels = array_of(predictions), array_of(targets).astype(np.int64)
    if p.ndim != 2 or labels.shape != p.shape[:1]:
        raise ValueError(f"K.in_top_k: expected predictions [N, C] and targets [N], got {p.shape} and {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= p.shape[-1]):
        raise ValueError(f"K.in_top_k: expected targets in [0, {p.shape[-1]}), got {labels.min()} to {labels.max()}")
    score = np.take_along_axis(p, labels[..., None], axis=-1)
    return np.asarray(((p > score).sum(axis=-1) < k) & np.isfinite(score[..., 0]))


@in_graphs
def dropout(x: Value, level: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None) -> Value:
    """Dropout, also in the inference phase; layers.Dropout depends on the phase.

    Args:
        x: float, any shape.
        level: The fraction of elements that become 0, in [0, 1).
        noise_shape: Shape of the mask, which is broadcast to x; None in it stands for the size of x.
        seed: With a seed all calls use the same mask.

    Raises:
        ValueError: level is not in [0, 1), or noise_shape cannot be broadcast to x.
    """
    if not 0.0 <= level < 1.0:
        raise ValueError(f"K.dropout: expected a level in [0, 1), got {level}")
    key = draw_key() if seed is None else (int(seed) % 2**63, 0)  # as that of K.random_normal
    return ops.dropout(x, rate=level, key=key, noise_shape=noise_shape)


@in_graphs
def l2_normalize(x: Value, axis: int | Sequence[int] | None = None) -> Value:
    """x / sqrt(max(sum of squares over `axis`, 1e-12)). The bound 1e-12 is TensorFlow's."""
    return ops.l2_normalize(x, axis=axis)


@in_graphs
def bias_add(x: Value, bias: Value, data_format: str | None = None) -> Value:
    """x + bias.

    Args:
        x: float [N, ..., C], or [N, C, ...] with channels_first.
        bias: [C], or the shape of one sample with the channels last. With channels_first a bias [R, Q, C] is reshaped, not
            transposed, to [C, R, Q], as in Keras 2.2.5; files with a LocallyConnected2D need this.
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().

    Raises:
        ValueError: bias has another number of axes.
    """
    ndim = len(x.shape)
    if len(bias.shape) not in (1, ndim - 1):
        raise ValueError(f"Unexpected bias dimensions {len(bias.shape)}, expect to be 1 or {ndim - 1} dimensions")
    if normalize_data_format(data_format) == "channels_first" and ndim > 2:
        if len(bias.shape) == 1:
            bias = ops.reshape(bias, shape=(bias.shape[0], *[1] * (ndim - 2)))
        else:
            bias = ops.reshape(bias, shape=(bias.shape[-1], *bias.shape[:-1]))
    return ops.add(x, bias)
