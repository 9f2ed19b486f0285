"""Products of two batches, sample by sample, and normalization."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.core.shapes import count, normalize_axis
from lamella.core.types import Array, Axes
from lamella.ops.math import divide, matmul, maximum, sqrt, square
from lamella.ops.reduce import sum
from lamella.ops.shape import reshape, transpose
from lamella.ops.tape import Tensor


def batch_dot(x: Array | Tensor, y: Array | Tensor, *, axes: int | Sequence[int] | None = None) -> Array | Tensor:
    """For each sample, the sum of products over one axis of x and one axis of y.

    Args:
        x: At least two axes, the batch first.
        y: At least two axes, the batch first.
        axes: The summed axes: one number for both, or a pair. None is the last axis of x, and the last but one of y (the last
            if y has two axes).

    Returns:
        [N, x's other axes, y's other axes], or [N, 1] if there are no other axes.

    Raises:
        ValueError: The sizes of the batches or of the summed axes differ, or an axis does not exist or is the batch.

    Source: Keras 2.2.5, TensorFlow backend, for any number of axes.
    """
    left, right = len(x.shape), len(y.shape)
    if left < 2 or right < 2:
        raise ValueError(f"expected two axes or more, got {tuple(x.shape)} and {tuple(y.shape)}")
    pair = (left - 1, max(right - 2, 1)) if axes is None else (axes, axes) if isinstance(axes, int) else tuple(axes)
    if len(pair) != 2 or any(isinstance(axis, (list, tuple)) for axis in pair):
        raise ValueError(f"expected axes to be a number or a pair of numbers, got {axes!r}")
    a, b = pair
    a, b = normalize_axis(a, left), normalize_axis(b, right)
    if 0 in (a, b) or x.shape[0] != y.shape[0] or x.shape[a] != y.shape[b]:
        raise ValueError(f"cannot sum axis {a} of {tuple(x.shape)} with axis {b} of {tuple(y.shape)}, batches first")
    of_x, of_y = ([i for i in range(1, n) if i != summed] for n, summed in ((left, a), (right, b)))
    n, k = x.shape[0], x.shape[a]
    rows, columns = [x.shape[i] for i in of_x], [y.shape[i] for i in of_y]
    first = reshape(transpose(x, axes=(0, *of_x, a)), shape=(n, count(rows), k))
    second = reshape(transpose(y, axes=(0, b, *of_y)), shape=(n, k, count(columns)))
    return reshape(matmul(first, second), shape=(n, *rows, *columns) if rows or columns else (n, 1))


def l2_normalize(x: Array | Tensor, *, axis: Axes = None) -> Array | Tensor:
    """x / sqrt(max(sum of squares over `axis`, 1e-12)); any shape. The bound 1e-12 is TensorFlow's."""
    return divide(x, sqrt(maximum(sum(square(x), axis=axis, keepdims=True), 1e-12)))
