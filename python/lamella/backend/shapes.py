"""K: reshaping, slicing, joining, repeating and padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella import ops
from lamella.core.config import floatx, normalize_data_format
from lamella.core.shapes import count, normalize_axis
from lamella.core.types import Value
from lamella.graph.connect import in_graphs
from lamella.graph.trial import Specs
from lamella.ops.tape import array_of

__all__ = [
    "batch_flatten", "concatenate", "expand_dims", "flatten", "gather", "one_hot", "permute_dimensions", "repeat",
    "repeat_elements", "reshape", "reverse", "slice", "spatial_2d_padding", "spatial_3d_padding", "squeeze", "stack",
    "temporal_padding", "tile", "transpose",
]  # fmt: skip

Pair = tuple[int, int]
_slice = slice


def _reshape(x: Value, shape: Sequence[int | None]) -> Value:
    """x with another shape. One size may be -1, or None for an unknown size; it follows from the others."""
    return ops.reshape(x, shape=tuple(-1 if size is None else int(size) for size in shape))


def _reshaped_specs(specs: Specs, arguments: Mapping[str, Any]) -> Specs | None:
    """The shape, if it is of numbers of which none is to be found: unknown sizes of x must fit, which a trial rarely does."""
    shape, x = arguments["shape"], specs[0][0]
    if (
        None not in x
        or not isinstance(shape, (list, tuple))
        or not all(isinstance(d, (int, np.integer)) and d > 0 for d in shape)
    ):
        return None
    sizes = [d for d in x if d is not None]
    return None if count(shape) % count(sizes) else ((tuple(map(int, shape)), specs[0][1]),)


reshape = in_graphs(_reshape, "reshape", specs=_reshaped_specs)


@in_graphs
def flatten(x: Value) -> Value:
    """All elements of x in one axis."""
    return ops.reshape(x, shape=(-1,))


@in_graphs
def batch_flatten(x: Value) -> Value:
    """x [N, ...] -> [N, number of elements of a sample]."""
    return ops.reshape(x, shape=(x.shape[0], count(x.shape[1:])))


@in_graphs
def expand_dims(x: Value, axis: int = -1) -> Value:
    """x with a new axis of size 1 at position `axis`."""
    return _with_axis(x, axis)


def _with_axis(x: Value, axis: int) -> Value:
    shape = list(x.shape)
    shape.insert(normalize_axis(axis, len(shape) + 1), 1)
    return ops.reshape(x, shape=shape)


def _squeeze(x: Value, axis: int) -> Value:
    """x without `axis`, whose size is 1.

    Raises:
        ValueError: There is no such axis, or its size is not 1.
    """
    shape = list(x.shape)
    if shape.pop(normalize_axis(axis, len(shape))) != 1:
        raise ValueError(f"K.squeeze: expected axis {axis} of {tuple(x.shape)} to have size 1")
    return ops.reshape(x, shape=shape)


def _squeezed_specs(specs: Specs, arguments: Mapping[str, Any]) -> Specs | None:
    """An unknown size may be 1; trials have few of size 1."""
    shape, dtype = specs[0]
    axis = normalize_axis(arguments["axis"], len(shape))
    return None if shape[axis] not in (1, None) else (((*shape[:axis], *shape[axis + 1 :]), dtype),)


squeeze = in_graphs(_squeeze, "squeeze", specs=_squeezed_specs)


@in_graphs
def transpose(x: Value) -> Value:
    """x with its axes in reverse order."""
    return ops.transpose(x)


@in_graphs
def permute_dimensions(x: Value, pattern: Sequence[int]) -> Value:
    """Axis i of the result is axis pattern[i] of x."""
    return ops.transpose(x, axes=tuple(pattern))


@in_graphs
def concatenate(tensors: Sequence[Value], axis: int = -1) -> Value:
    """The tensors one after another along `axis`; their other axes are equal."""
    return ops.concatenate(*tensors, axis=axis)


@in_graphs
def stack(x: Sequence[Value], axis: int = 0) -> Value:
    """The tensors x, which have one shape, along a new axis at position `axis`. Numbers get the dtype of the tensors."""
    dtype = next((item.dtype for item in x if hasattr(item, "dtype")), None)
    x = [item if hasattr(item, "dtype") else np.asarray(item, dtype) for item in x]
    return ops.concatenate(*[_with_axis(item, axis) for item in x], axis=axis)


@in_graphs
def repeat_elements(x: Value, rep: int, axis: int) -> Value:
    """Each element of x `rep` times along `axis`: a, b -> a, a, b, b."""
    return ops.repeat(x, count=rep, axis=axis)


@in_graphs
def repeat(x: Value, n: int) -> Value:
    """[N, C] -> [N, n, C], with n equal rows for each sample.

    Raises:
        ValueError: x does not have two axes.
    """
    if len(x.shape) != 2:
        raise ValueError(f"K.repeat: expected two axes, got shape {tuple(x.shape)}")
    return ops.repeat(expand_dims(x, 1), count=n, axis=1)


@in_graphs
def tile(x: Value, n: int | Sequence[int]) -> Value:
    """x repeated as a whole, n[i] times along axis i. Fewer counts belong to the last axes, and a number to the last one.

    Raises:
        ValueError: There are more counts than axes, or a count is below 0.
    """
    counts = [int(count) for count in (n if isinstance(n, (list, tuple)) else np.atleast_1d(array_of(n)))]
    ndim = len(x.shape)
    if len(counts) > ndim or min(counts, default=0) < 0:
        raise ValueError(f"expected at most {ndim} counts of 0 or more for shape {tuple(x.shape)}, got {n}")
    return ops.tile(x, counts=[1] * (ndim - len(counts)) + counts)


@in_graphs
def reverse(x: Value, axes: int | Sequence[int]) -> Value:
    """x in reverse order along `axes`."""
    return ops.flip(x, axes=axes)


@in_graphs
def slice(x: Value, start: Sequence[int], size: Sequence[int]) -> Value:
    """The part of x with this start and size on each axis; size -1 goes to the end of the axis.

    Raises:
        ValueError: There is not one start and size for each axis, or the part is not inside of x.
    """
    shape = tuple(x.shape)
    ends = [n if length == -1 else begin + length for n, begin, length in zip(shape, start, size)]
    if not len(start) == len(size) == len(shape) or any(not 0 <= b <= e <= n for b, e, n in zip(start, ends, shape)):
        raise ValueError(f"K.slice: no part with start {tuple(start)} and size {tuple(size)} in shape {shape}")
    return ops.getitem(x, key=tuple(_slice(begin, end) for begin, end in zip(start, ends)))


@in_graphs
def gather(reference: Value, indices: Value) -> Value:
    """The row of `reference` for each of the indices: reference [R, ...], indices [...] -> [indices' shape, ...].

    Raises:
        ValueError: An index is out of range.
    """
    return ops.take(reference, indices=array_of(indices).astype(np.int64))


@in_graphs
def one_hot(indices: Value, num_classes: int) -> NDArray[Any]:
    """indices [...] -> floatx [..., num_classes], 1 at the index and 0 elsewhere.

    An index out of range gives only zeros, as in TensorFlow.

    Raises:
        ValueError: num_classes is below 0.
    """
    if num_classes < 0:
        raise ValueError(f"K.one_hot: expected at least 0 classes, got {num_classes}")
    given = array_of(indices)
    y = np.zeros((given.size, num_classes), floatx())
    flat = given.reshape(-1)
    rows = np.flatnonzero((flat >= 0) & (flat < num_classes) & (flat == np.floor(flat)))
    y[rows, flat[rows].astype(np.int64)] = 1
    return y.reshape(*given.shape, num_classes)


@in_graphs
def temporal_padding(x: Value, padding: Pair = (1, 1)) -> Value:
    """x [N, T, C] with zeros around the time steps: as many before and after them as the pair `padding` says."""
    return ops.pad(x, widths=_widths(x, [padding], "channels_last", "K.temporal_padding"))


@in_graphs
def spatial_2d_padding(x: Value, padding: tuple[Pair, Pair] = ((1, 1), (1, 1)), data_format: str | None = None) -> Value:
    """Images with zeros around their rows and columns.

    Args:
        x: [N, H, W, C], or [N, C, H, W] with channels_first.
        padding: Numbers of zeros ((top, bottom), (left, right)).
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
    """
    return ops.pad(x, widths=_widths(x, padding, data_format, "K.spatial_2d_padding"))


@in_graphs
def spatial_3d_padding(
    x: Value, padding: tuple[Pair, Pair, Pair] = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Value:
    """`spatial_2d_padding` of volumes x, with a pair in `padding` for each of their three axes, and data_format."""
    return ops.pad(x, widths=_widths(x, padding, data_format, "K.spatial_3d_padding"))


def _widths(x: Value, padding: Sequence[Pair], data_format: str | None, who: str) -> list[Pair]:
    pairs = [(int(before), int(after)) for before, after in padding]
    if len(x.shape) != len(pairs) + 2:
        raise ValueError(f"{who}: expected {len(pairs) + 2} axes, got shape {tuple(x.shape)}")
    first = normalize_data_format(data_format) == "channels_first"
    return [(0, 0), (0, 0), *pairs] if first else [(0, 0), *pairs, (0, 0)]
