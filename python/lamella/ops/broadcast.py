"""Functions of plain arrays that broadcast or sum along axes: large arrays by kernels on all threads; none is an op."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from lamella import _kernels
from lamella.core import user_array
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, is_of_kernels, suits_kernels

# The numbers of cpp/table/elementwise.def.
_OPERATIONS: dict[np.ufunc, int] = {np.add: 0, np.subtract: 1, np.multiply: 3, np.true_divide: 4, np.maximum: 6, np.minimum: 7}
# The functions of the kernels `elementary_forward` and `elementary_backward`.
ABSOLUTE, ROOT, CLIP, POWER = range(4)
# Elements of two chunks of a kernel. NumPy computes smaller arrays on one thread as fast.
_LARGE = 1 << 15
# Elements of which a kernel computes a power faster than NumPy.
_SMALL = 32
# Elements of which a kernel computes remainders and quotients that are rounded down faster than NumPy.
_DIVIDED = 128


def _is_large(x: Array) -> bool:
    return x.size >= _LARGE and suits_kernels(x)


def elementwise(function: np.ufunc, a: Array, b: Array) -> Array:
    """function(a, b), one of np.add, np.subtract, np.multiply, np.true_divide, np.maximum and np.minimum, broadcast."""
    if a.shape == b.shape and a.size >= _LARGE:
        if suits_kernels(a):
            b = unrepeated(b)
        elif suits_kernels(b):
            a = unrepeated(a)
    if a.dtype != b.dtype or not user_array.broadcasts_to_many((a, b), _LARGE):
        return np.asarray(function(a, b))
    if not (suits_kernels(a) and suits_kernels(b)):
        return np.asarray(function(a, b))
    try:
        y = empty_like(a, np.broadcast_shapes(a.shape, b.shape))
    except ValueError:
        return np.asarray(function(a, b))  # with NumPy's own error
    return y if _compute(_OPERATIONS[function], a, b, y) else np.asarray(function(a, b))


def _compute(operation: int, a: Array, b: Array, y: Array) -> bool:
    """Fill y by the kernel, which broadcasts along three axes; False: that is not possible."""
    shapes = _of_three_axes(y.shape, a.shape, b.shape)
    if shapes is not None:
        _kernels.arithmetic(a.reshape(shapes[1]), b.reshape(shapes[2]), operation, y.reshape(shapes[0]))
        return True
    for wider, other in ((along_last_axes(y.shape, b), a), (along_last_axes(y.shape, a), b)):
        if wider is not None:
            return _compute(operation, *((other, wider) if other is a else (wider, other)), y)
    # The pairs of the steps of two sequences: example by example.
    if y.size < len(y) * _LARGE // 2:
        return False
    a, b = (x.reshape((1,) * (y.ndim - x.ndim) + x.shape) for x in (a, b))
    return all(_compute(operation, a[i % len(a)], b[i % len(b)], y[i]) for i in range(len(y)))


def unrepeated(x: Array) -> Array:
    """A view of x with size 1 on the axes along which it is broadcast, as the gradient of a mean is."""
    return x[tuple(slice(None if stride else 1) for stride in x.strides)] if 0 in x.strides else x


def negative(x: Array) -> Array:
    """-x."""
    return elementwise(np.multiply, x, np.asarray(-1, x.dtype)) if _is_large(x) else np.asarray(-x)


def where(condition: Array, a: Array, b: Array) -> Array:
    """np.where(condition, a, b). The condition is an array of booleans; a and b have one dtype."""
    large = a if a.size >= b.size else b
    if not _is_large(large):
        return np.where(condition, a, b)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    if not all((x.size == 1 or x.shape == shape) and suits_kernels(x) for x in (a, b)):
        return np.where(condition, a, b)
    y = empty_like(large, shape)
    chosen = np.ascontiguousarray(np.broadcast_to(condition, shape)).view(np.uint8)
    _kernels.where(chosen, a, b, y)
    return y


def power(a: Array, b: Array) -> Array:
    """np.power(a, b), broadcast."""
    if not is_small_power(a, b):
        return np.asarray(np.power(a, b))
    a = contiguous(a)
    y = empty_like(a)
    _kernels.elementary_forward(a, POWER, float(b), 0.0, y)
    return y


def remainder(a: Array, b: Array) -> Array:
    """np.mod(a, b), broadcast."""
    return _divided_down(np.mod, _kernels.modulo, a, b)


def floor_divide(a: Array, b: Array) -> Array:
    """np.floor_divide(a, b), broadcast."""
    return _divided_down(np.floor_divide, _kernels.floor_divide, a, b)


def _divided_down(function: np.ufunc, kernel: Callable[[Array, Array, Array], None], a: Array, b: Array) -> Array:
    alike = b.shape == a.shape or (b.size == 1 and b.ndim <= a.ndim)
    if a.size >= _DIVIDED and alike and a.dtype == b.dtype and suits_kernels(a) and suits_kernels(b):
        y = empty_like(a)
        try:
            kernel(a, b, y)
            return y
        except ValueError:  # a quotient is NaN or large: rare, and exact in NumPy, which takes forty times as long
            pass
    return np.asarray(function(a, b))


def is_small_power(a: Array, b: Array) -> bool:
    """Whether a kernel computes a ** b: b is one number, a whole one or half of one, and at most 8 in size; a is not tiny."""
    if b.ndim != 0 or a.size < _SMALL or not is_of_kernels(a):
        return False
    p = float(b)
    return -8 <= p <= 8 and (2 * p).is_integer()


def _of_three_axes(shape: Sequence[int], *others: Sequence[int]) -> list[list[int]] | None:
    """`shape` and the shapes that are broadcast to it, with neighbouring axes joined: three axes each; None if they are more."""
    # Of each joined axis its length in all shapes, and in which of the shapes it is broadcast.
    joined: list[tuple[list[int], list[bool]]] = []
    padded = [(1,) * (len(shape) - len(other)) + tuple(other) for other in others]
    for lengths in zip(shape, *padded):
        if lengths[0] == 1:
            continue
        repeated = [own == 1 for own in lengths]
        if joined and joined[-1][1] == repeated:
            joined[-1] = [n * own for n, own in zip(joined[-1][0], lengths)], repeated
        else:
            joined.append((list(lengths), repeated))
    missing = 3 - len(joined)
    return None if missing < 0 else [[1] * missing + list(lengths) for lengths in zip(*(lengths for lengths, _ in joined))]


def along_last_axes(shape: Sequence[int], other: Array) -> Array | None:
    """other, copied along the last axes of `shape` along which it is broadcast; None if it is not, or if this is no small array.

    The kernel then needs one axis less, as for the means [N, 1, 1, G, 1] of groups of channels.
    """
    if other.ndim > len(shape):
        return None
    lengths = list(other.shape)
    at = len(lengths) - 1
    while at >= 0 and lengths[at] == shape[at - len(lengths)]:
        at -= 1
    while at >= 0 and lengths[at] == 1:
        lengths[at] = shape[at - len(lengths)]
        at -= 1
    if lengths == list(other.shape) or 4 * count(lengths) > count(shape):
        return None
    return contiguous(np.broadcast_to(other, lengths))


def large_sum(x: Array, axes: Sequence[int]) -> Array | None:
    """The sum of a large array over axes, without them; None: NumPy computes it. axes: counted from 0, in order."""
    if not _is_large(x) or not 0 < len(axes) < x.ndim or list(axes) != sorted(set(axes)):
        return None
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    groups: list[list[int]] = []  # neighbours
    for axis in axes:
        if groups and groups[-1][-1] == axis - 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    # The group first that leaves the fewest elements.
    for group in sorted(groups, key=lambda group: -count(x.shape[group[0] : group[-1] + 1])):
        before, summed, after = x.shape[: group[0]], x.shape[group[0] : group[-1] + 1], x.shape[group[-1] + 1 :]
        if count(summed) == 1:
            continue
        y = empty_like(x, (*before, *[1] * len(group), *after))
        if count(after) > 1:
            _kernels.sum_columns(x.reshape(count(before), -1, count(after)), y.reshape(count(before), -1))
        else:
            _kernels.sum_rows(x.reshape(y.size, -1), y.reshape(-1))
        x = y
    return x.reshape(shape)


def unbroadcast(dy: Array, x: Array) -> Array:
    """dy summed over the axes along which x was broadcast, in x's dtype and shape."""
    if dy.shape != x.shape:
        added = dy.ndim - x.ndim
        stretched = [i + added for i, length in enumerate(x.shape) if length == 1 and dy.shape[i + added] != 1]
        axes = (*range(added), *stretched)
        total = large_sum(dy, axes)
        dy = (dy.sum(axis=axes) if total is None else total).reshape(x.shape)
    return np.asarray(dy, x.dtype)


user_array.faster.update({f: (_LARGE, functools.partial(elementwise, f)) for f in _OPERATIONS})
user_array.faster[np.power] = _SMALL, power
user_array.faster[np.remainder] = _DIVIDED, remainder
user_array.faster[np.floor_divide] = _DIVIDED, floor_divide
