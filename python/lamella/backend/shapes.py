"""K: shapes, pieces and copies of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella import ops
from lamella.backend.elementwise import array_of
from lamella.core.config import floatx, normalize_data_format
from lamella.core.shapes import count
from lamella.core.types import Value
from lamella.graph.connect import in_graphs
from lamella.ops.arrays import axis_of

__all__ = [
    "batch_flatten", "concatenate", "expand_dims", "flatten", "gather", "one_hot", "permute_dimensions", "repeat",
    "repeat_elements", "reshape", "reverse", "slice", "spatial_2d_padding", "spatial_3d_padding", "squeeze", "stack",
    "temporal_padding", "tile", "transpose",
]  # fmt: skip

Pair = tuple[int, int]
_slice = slice


@in_graphs
def reshape(x: Value, shape: Sequence[int | None]) -> Value:
    """One size may be -1 or None, what K.shape says of a free one: it follows from the others."""
    return ops.reshape(x, shape=tuple(-1 if size is None else int(size) for size in shape))


@in_graphs
def flatten(x: Value) -> Value:
    """Everything in one axis."""
    return ops.reshape(x, shape=(-1,))


@in_graphs
def batch_flatten(x: Value) -> Value:
    """[N, ...] -> [N, product]."""
    return ops.reshape(x, shape=(x.shape[0], count(x.shape[1:])))


@in_graphs
def expand_dims(x: Value, axis: int = -1) -> Value:
    return _with_axis(x, axis)


def _with_axis(x: Value, axis: int) -> Value:
    shape = list(x.shape)
    shape.insert(axis_of(axis, len(shape) + 1), 1)
    return ops.reshape(x, shape=shape)


@in_graphs
def squeeze(x: Value, axis: int) -> Value:
    """Without `axis`, which has size 1. Raises ValueError if it has not."""
    shape = list(x.shape)
    if shape.pop(axis_of(axis, len(shape))) != 1:
        raise ValueError(f"K.squeeze: axis {axis} of {tuple(x.shape)} has not size 1")
    return ops.reshape(x, shape=shape)


@in_graphs
def transpose(x: Value) -> Value:
    """All axes in reverse."""
    return ops.transpose(x)


@in_graphs
def permute_dimensions(x: Value, pattern: Sequence[int]) -> Value:
    return ops.transpose(x, axes=tuple(pattern))


@in_graphs
def concatenate(tensors: Sequence[Value], axis: int = -1) -> Value:
    return ops.concatenate(*tensors, axis=axis)


@in_graphs
def stack(x: Sequence[Value], axis: int = 0) -> Value:
    return ops.concatenate(*[_with_axis(item, axis) for item in x], axis=axis)


@in_graphs
def repeat_elements(x: Value, rep: int, axis: int) -> Value:
    """a, b -> a, a, b, b along `axis`."""
    return ops.repeat(x, count=rep, axis=axis)


@in_graphs
def repeat(x: Value, n: int) -> Value:
    """[N, C] -> [N, n, C]. Raises ValueError for other ranks."""
    if len(x.shape) != 2:
        raise ValueError(f"K.repeat: expected two axes, got shape {tuple(x.shape)}")
    return ops.repeat(expand_dims(x, 1), count=n, axis=1)


@in_graphs
def tile(x: Value, n: int | Sequence[int]) -> Value:
    """The whole of x, n[i] times along axis i. Fewer counts are those of the last axes, a number that of the last one.

    Raises:
        ValueError: For more counts than axes.
    """
    counts = [int(n)] if hasattr(n, "__index__") else [int(count) for count in n]
    ndim = len(x.shape)
    if len(counts) > ndim or min(counts, default=0) < 0:
        raise ValueError(f"expected at most {ndim} counts of 0 or more for shape {tuple(x.shape)}, got {n}")
    return ops.tile(x, counts=[1] * (ndim - len(counts)) + counts)


@in_graphs
def reverse(x: Value, axes: int | Sequence[int]) -> Value:
    """x backwards along the axes."""
    return ops.flip(x, axes=axes)


@in_graphs
def slice(x: Value, start: Sequence[int], size: Sequence[int]) -> Value:
    """A box of the given start and size in each axis; size -1 goes to the end. Raises ValueError if it is not inside x."""
    shape = tuple(x.shape)
    ends = [n if length == -1 else begin + length for n, begin, length in zip(shape, start, size)]
    if not len(start) == len(size) == len(shape) or any(not 0 <= b <= e <= n for b, e, n in zip(start, ends, shape)):
        raise ValueError(f"K.slice: no box of start {tuple(start)} and size {tuple(size)} in shape {shape}")
    return ops.getitem(x, key=tuple(_slice(begin, end) for begin, end in zip(start, ends)))


@in_graphs
def gather(reference: Value, indices: Value) -> Value:
    """Rows of `reference`, one for each index. Raises ValueError for an index outside."""
    return ops.take(reference, indices=array_of(indices).astype(np.int64))


@in_graphs
def one_hot(indices: Value, num_classes: int) -> NDArray[Any]:
    """[...] -> [..., num_classes] of 0 and 1; an index outside gives zeros, as in TensorFlow."""
    if num_classes < 0:
        raise ValueError(f"K.one_hot: expected at least 0 classes, got {num_classes}")
    classes = np.arange(num_classes)
    return np.asarray(array_of(indices)[..., None] == classes).astype(floatx())


@in_graphs
def temporal_padding(x: Value, padding: Pair = (1, 1)) -> Value:
    """Zeros before and after the time of [N, T, C]."""
    return ops.pad(x, widths=_widths(x, [padding], "channels_last", "K.temporal_padding"))


@in_graphs
def spatial_2d_padding(x: Value, padding: tuple[Pair, Pair] = ((1, 1), (1, 1)), data_format: str | None = None) -> Value:
    """Zeros around the rows and columns of images."""
    return ops.pad(x, widths=_widths(x, padding, data_format, "K.spatial_2d_padding"))


@in_graphs
def spatial_3d_padding(
    x: Value, padding: tuple[Pair, Pair, Pair] = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Value:
    """Zeros around the three axes of volumes."""
    return ops.pad(x, widths=_widths(x, padding, data_format, "K.spatial_3d_padding"))


def _widths(x: Value, padding: Sequence[Pair], data_format: str | None, who: str) -> list[Pair]:
    pairs = [(int(before), int(after)) for before, after in padding]
    if len(x.shape) != len(pairs) + 2:
        raise ValueError(f"{who}: expected {len(pairs) + 2} axes, got shape {tuple(x.shape)}")
    first = normalize_data_format(data_format) == "channels_first"
    return [(0, 0), (0, 0), *pairs] if first else [(0, 0), *pairs, (0, 0)]
