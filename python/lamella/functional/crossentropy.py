"""Softmax and its cross-entropy, forward and backward."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.functional.arguments import of_arrays, result


@of_arrays
def softmax(x: Array, *, out: Array | None = None) -> Array:
    """exp(x) / sum(exp(x)) over the last axis.

    Args:
        x: float32 or float64 [..., C].
        out: The array for the result, which may be x; a new one if None.

    Returns:
        [..., C].

    Raises:
        ValueError: `out` has another shape, or overlaps a part of x.
        TypeError: x is not a C-contiguous array of floats.
    """
    y = result("softmax", "out", out, x, x.shape)
    _kernels.softmax_forward(x, y)
    return y


@of_arrays
def softmax_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """The gradient of `softmax`: y * (dy - sum(dy*y)).

    Args:
        dy: The gradient of y, [..., C].
        y: What `softmax` returned.
        out: The array for dx; a new one if None.

    Returns:
        dx [..., C].

    Raises:
        ValueError: Shapes do not fit.
        TypeError: The dtypes differ, or an array is not C-contiguous.
    """
    dx = result("softmax_backward", "out", out, dy, y.shape)
    _kernels.softmax_backward(y, dy, dx)
    return dx


@of_arrays
def softmax_cross_entropy(logits: Array, targets: Array, *, out: Array | None = None) -> tuple[Array, Array]:
    """The cross-entropy of softmax(logits): -sum(targets * log p) of each row, or -log p[label].

    Args:
        logits: float32 or float64 [..., C].
        targets: Probabilities [..., C] of the same dtype, or labels [...] of whole numbers in [0, C).
        out: The array for the loss; a new one if None.

    Returns:
        (loss [...], p [..., C]); `softmax_cross_entropy_backward` needs p.

    Raises:
        ValueError: Shapes do not fit, or a label is outside of [0, C).
        TypeError: The dtypes do not fit, or an array is not C-contiguous.
    """
    p = result("softmax_cross_entropy", "p", None, logits, logits.shape)
    loss = result("softmax_cross_entropy", "out", out, logits, logits.shape[:-1])
    labels = _labels("softmax_cross_entropy", targets, logits)
    if labels is None:
        _kernels.softmax_crossentropy_forward(logits, targets, p, loss)
    else:
        try:
            _kernels.sparse_softmax_crossentropy_forward(logits, labels, p, loss)
        except ValueError:
            _check_labels("softmax_cross_entropy", labels, logits)
            raise
    return loss, p


@of_arrays
def softmax_cross_entropy_backward(dloss: Array, p: Array, targets: Array, *, out: Array | None = None) -> Array:
    """The gradient of `softmax_cross_entropy` with respect to the logits: (p - targets) * dloss.

    Args:
        dloss: The gradient of each row's loss, [...].
        p: As `softmax_cross_entropy` returned it.
        targets: As in `softmax_cross_entropy`.
        out: The array for the gradient; a new one if None.

    Returns:
        [..., C].

    Raises:
        ValueError, TypeError: As `softmax_cross_entropy`.
    """
    dlogits = result("softmax_cross_entropy_backward", "out", out, p, p.shape)
    labels = _labels("softmax_cross_entropy_backward", targets, p)
    if labels is None:
        _kernels.softmax_crossentropy_backward(p, targets, dloss, dlogits)
    else:
        try:
            _kernels.sparse_softmax_crossentropy_backward(p, labels, dloss, dlogits)
        except ValueError:
            _check_labels("softmax_cross_entropy_backward", labels, p)
            raise
    return dlogits


def _labels(who: str, targets: Array, rows: Array) -> Array | None:
    """The labels as int64, or None if the targets are probabilities."""
    if targets.dtype.kind in "iu":
        if targets.shape != rows.shape[:-1]:
            raise ValueError(f"{who}: expected labels of shape {rows.shape[:-1]}, got {targets.shape}")
        return np.ascontiguousarray(targets, np.int64)
    if targets.shape != rows.shape:
        raise ValueError(f"{who}: expected targets of shape {rows.shape}, got {targets.shape}")
    return None


def _check_labels(who: str, labels: Array, rows: Array) -> None:
    wrong = labels[(labels < 0) | (labels >= rows.shape[-1])]
    if wrong.size:
        raise ValueError(f"{who}: expected labels in [0, {rows.shape[-1]}), got {wrong[0]}") from None
