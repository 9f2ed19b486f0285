"""K: products of matrices and of batches of them."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import ops
from lamella.core.shapes import count
from lamella.core.types import Value
from lamella.graph.connect import in_graphs
from lamella.ops.shape import packed

__all__ = ["batch_dot", "dot"]


@in_graphs
def dot(x: Value, y: Value) -> Value:
    """x [..., K] times y [K, M] -> [..., M]; y [..., K, M]: over its last axis but one, as NumPy's dot."""
    if not x.shape or len(y.shape) < 2 or x.shape[-1] != y.shape[-2]:
        raise ValueError(f"K.dot: cannot sum the last axis of {tuple(x.shape)} with the last but one of {tuple(y.shape)}")
    if len(y.shape) == 2:
        return ops.dense(x, packed(y), None, activation="linear")
    *outer, k, m = y.shape
    axes = (len(outer), *range(len(outer)), len(outer) + 1)
    columns = ops.reshape(ops.transpose(y, axes=axes), shape=(k, count(outer) * m))
    return ops.reshape(ops.dense(x, columns, None, activation="linear"), shape=(*x.shape[:-1], *outer, m))


@in_graphs
def batch_dot(x: Value, y: Value, axes: int | Sequence[int] | None = None) -> Value:
    """For each sample the sum of products over one axis of x and one of y: [N, ..., ...], x's other axes first.

    Args:
        axes: One number for both, or a pair, the batch being axis 0; None is x's last, and y's last but one (its only one if y
            has two axes).

    Returns:
        At least two axes: [N, 1] where no other axis is left.

    Raises:
        ValueError: If batches or the summed axes differ.
    """
    return ops.batch_dot(x, y, axes=axes)
