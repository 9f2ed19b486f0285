"""K: matrix products, and products of two batches sample by sample."""

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
    """The sum of products over the last axis of x and the last but one of y, as in NumPy's dot.

    Args:
        x: [..., K], of floats, int32 or int64.
        y: [K], [K, M] or [..., K, M], with x's dtype. Of one axis as in Theano, whose K.dot the first attention layers use;
            TensorFlow refuses it.

    Returns:
        [x's other axes, y's other axes].

    Raises:
        ValueError: x or y has no axes, or the summed axes differ.
    """
    if x.shape and len(y.shape) == 1 and x.shape[-1] == y.shape[0]:
        return ops.reshape(_product(x, ops.reshape(y, shape=(-1, 1))), shape=x.shape[:-1])
    if not x.shape or len(y.shape) < 2 or x.shape[-1] != y.shape[-2]:
        raise ValueError(f"K.dot: cannot sum the last axis of {tuple(x.shape)} with the last but one of {tuple(y.shape)}")
    if len(y.shape) == 2:
        return _product(x, y)
    *outer, k, m = y.shape
    axes = (len(outer), *range(len(outer)), len(outer) + 1)
    columns = ops.reshape(ops.transpose(y, axes=axes), shape=(k, count(outer) * m))
    return ops.reshape(_product(x, columns), shape=(*x.shape[:-1], *outer, m))


def _product(x: Value, y: Value) -> Value:
    """[..., K] times [K, M]; of whole numbers by NumPy, which keeps their dtype."""
    if x.dtype == y.dtype and x.dtype in ("int32", "int64"):
        rows = ops.reshape(x, shape=(count(x.shape[:-1]), x.shape[-1]))
        return ops.reshape(ops.matmul(rows, y), shape=(*x.shape[:-1], y.shape[-1]))
    return ops.dense(x, packed(y), None, activation="linear")


@in_graphs
def batch_dot(x: Value, y: Value, axes: int | Sequence[int] | None = None) -> Value:
    """For each sample, the sum of products over one axis of x and one axis of y.

    Args:
        x: At least two axes, the batch first.
        y: At least two axes, the batch first.
        axes: The summed axes: one number for both, or a pair; the batch is axis 0. None is the last axis of x, and the last but
            one of y (the last if y has two axes).

    Returns:
        [N, x's other axes, y's other axes], or [N, 1] if there are no other axes.

    Raises:
        ValueError: The sizes of the batches or of the summed axes differ, or an axis does not exist or is the batch.
    """
    return ops.batch_dot(x, y, axes=axes)
