"""Functions of plain arrays that several ops use; none is an op."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from lamella import _kernels

# contiguous(x): x itself if it is C-contiguous and aligned, else a copy that is; a kernel copies floats, unless NumPy is faster.
# empty_like(x, shape): a new C-contiguous array with x's dtype, and with its shape if none is given. They are in C++ because each
# op calls them, and a call of NumPy takes longer than a small kernel.
# in_place_of(dy), for an op's backward: memory for a gradient with dy's shape and dtype. It is dy itself if only the tape refers
# to dy, so that a step needs less memory and moves fewer bytes; else it is a new array.
from lamella._kernels import contiguous as contiguous
from lamella._kernels import empty_like as empty_like
from lamella._kernels import in_place_of as in_place_of
from lamella.core.shapes import count
from lamella.core.types import Array, Value

# The most axes of an array that kernels read or that `empty_like` makes.
_MOST_AXES = 8
# Mean bytes of an array of a concatenation, and of its pieces that are contiguous in the result. NumPy copies smaller ones faster.
_PART, _PIECE = 1 << 15, 64


def reshaped(x: Array, shape: int | Sequence[int]) -> Array:
    """x.reshape(shape). If this needs a copy, `contiguous` makes it.

    Raises:
        ValueError: The numbers of elements differ.
    """
    if isinstance(shape, (int, np.integer)):
        shape = (int(shape),)
    # NumPy makes views of some other arrays too, but most of these are copied by the next kernel.
    return (x if x.flags.c_contiguous or _only_splits(x.shape, shape) else contiguous(x)).reshape(shape)


def _only_splits(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether each axis becomes one axis or several; then any array has a view of this shape."""
    sizes = list(after)
    if -1 in sizes:
        sizes[sizes.index(-1)] = count(before) // (-count(sizes) or 1)
    if 0 in sizes:
        return True  # NumPy raises the error: empty arrays are contiguous
    for size in before:
        while size > 1 and sizes and size % sizes[0] == 0:
            size //= sizes.pop(0)
        if size != 1:
            return False
    return count(sizes) == 1


def suits_kernels(x: Array) -> bool:
    """Whether kernels read x as it is, and `empty_like` makes such an array: aligned C-contiguous floats of few axes."""
    kind, flags = x.dtype, x.flags
    return kind.char in "fd" and kind.isnative and flags.c_contiguous and flags.aligned and x.ndim <= _MOST_AXES


def is_of_kernels(x: Array) -> bool:
    """Whether kernels read `contiguous(x)`: floats of few axes."""
    return x.dtype.char in "fd" and x.dtype.isnative and x.ndim <= _MOST_AXES


def concatenated(xs: Sequence[Array], axis: int) -> Array:
    """np.concatenate(xs, axis); of contiguous floats by a kernel, unless they are small or their pieces are.

    Raises:
        ValueError: As np.concatenate.
    """
    first = xs[0] if xs else None
    if first is None or not isinstance(axis, int) or not -first.ndim <= axis < first.ndim:
        return np.concatenate(xs, axis=axis)
    at = axis % first.ndim
    before, after = first.shape[:at], first.shape[at + 1 :]
    rows = count(before)
    if sum([x.nbytes for x in xs]) < len(xs) * max(_PART, _PIECE * rows):
        return np.concatenate(xs, axis=axis)
    for x in xs:
        # np.concatenate keeps the order in memory of transposed arrays; with the kernel they would be copied twice.
        if x.dtype != first.dtype or not suits_kernels(x) or (x.shape[:at], x.shape[at + 1 :]) != (before, after):
            return np.concatenate(xs, axis=axis)
    y = empty_like(first, (*before, sum(x.shape[at] for x in xs), *after))
    _kernels.concatenate(list(xs), rows, y)
    return y


@functools.cache
def absent(dtype: np.dtype) -> Array:
    """The empty array that a kernel gets in place of an optional array that is not given."""
    return np.empty(0, dtype)


def or_absent(x: Array | None, dtype: np.dtype) -> Array:
    """An optional array as kernels read it: contiguous, or `absent`. Weights that functions of K compute may be slices."""
    return absent(dtype) if x is None else contiguous(x)


def is_of_last_axes(part: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether `part`, without the axes of size 1 at its begin, is the end of `shape`."""
    own = list(part)
    while own and own[0] == 1:
        del own[0]
    return len(part) <= len(shape) and own == list(shape[len(shape) - len(own) :])


def constant_like(value: float, x: Value) -> Array:
    """A number as a scalar array with x's dtype."""
    return np.asarray(value, x.dtype)


def relu_gradient(y: Array, dy: Array) -> Array:
    """dy where the output y of a fused relu is positive, 0 elsewhere."""
    dx = in_place_of(dy)
    _kernels.relu_backward(y, dy, 0.0, np.inf, 0.0, dx)
    return dx


def total(x: Array) -> float:
    """The sum of all elements, as a number; any dtype that NumPy can sum."""
    if x.dtype.char not in "fd" or not x.dtype.isnative:
        return float(x.sum())
    y = empty_like(x, ())
    _kernels.sum_all(contiguous(x), y)
    return float(y)


def moving_average(average: Array, value: Array, keep: float, take: float) -> Array:
    """keep * average + take * value, a new array with average's dtype, without a gradient. keep + take need not be 1."""
    moved = average * keep
    moved += take * value
    return moved


def extremum_over_places(x: Array, smallest: bool = False) -> tuple[Array, Callable[[Array], Array]]:
    """The largest or smallest elements of x [N, S, C] along S, [N, C], and their backward. S is 1 or more.

    Equal ones share the gradient; NaN has none.
    """
    x = contiguous(x)
    y = empty_like(x, (x.shape[0], x.shape[2]))
    _kernels.extremum_forward(x, smallest, y)

    def backward(dy: Array) -> Array:
        dx = empty_like(x)
        _kernels.extremum_backward(x, y, contiguous(dy), dx)
        return dx

    return y, backward


def standard_normal(shape: tuple[int, ...], dtype: DTypeLike, key: tuple[int, int]) -> Array:
    """Normally distributed numbers, float32 or float64. The same key, shape and dtype give the same ones."""
    y: Array = np.zeros(shape, dtype)
    _kernels.gaussian_noise(y, 1.0, 0, *key, y)
    return y
