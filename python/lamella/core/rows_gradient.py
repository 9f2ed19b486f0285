"""The gradient of a table from which a batch took only some rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array


class RowsGradient:
    """A gradient that is zero except in the rows that were taken. It stores the terms, which are summed later.

    The sum with another RowsGradient is a RowsGradient; the sum with an array is an array.

    Attributes:
        shape: The shape of the table.
        dtype: The dtype of the table.
        parts: (indices int64 [N], dy [N, C]) for each time that rows were taken: dy[i] is added to row indices[i]. The terms of
            each part are summed in the order of its indices, then the parts, as in whole arrays, which gives the same bits.
    """

    __slots__ = ("shape", "dtype", "parts")
    __array_ufunc__ = None  # ndarray + RowsGradient asks RowsGradient
    base = None  # the same as for an array that owns its memory

    def __init__(self, shape: tuple[int, ...], parts: Sequence[tuple[Array, Array]]) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = parts[0][1].dtype
        self.parts = list(parts)

    def __add__(self, other: RowsGradient | Array) -> RowsGradient | Array:
        if isinstance(other, RowsGradient):
            return RowsGradient(self.shape, [*self.parts, *other.parts])
        return self.dense() + other

    def __radd__(self, other: Array) -> Array:
        return other + self.dense()

    def dense(self) -> Array:
        """The gradient as a whole array."""
        return self._summed([indices for indices, _ in self.parts], self.shape)

    def touched(self) -> tuple[Array, Array]:
        """The rows that were taken, int64 [U] ascending, and their gradients [U, the table's other axes]."""
        rows, places = _distinct(np.concatenate([indices for indices, _ in self.parts]), self.shape[0])
        ends = np.cumsum([len(indices) for indices, _ in self.parts])
        return rows, self._summed(np.split(places, ends[:-1]), (len(rows), *self.shape[1:]))

    def _summed(self, places: Sequence[Array], shape: tuple[int, ...]) -> Array:
        total: Array | None = None
        for into, (_, dy) in zip(places, self.parts):
            part = _kernels.empty_like(dy, (shape[0], count(shape[1:])))
            _kernels.take_backward(dy, into, part)
            total = part if total is None else total + part
        assert total is not None
        return total.reshape(shape)


# A test of each row of a table is that much faster than an index sorted among others.
_ROWS_FOR_AN_INDEX = 100


def _distinct(indices: Array, end: int) -> tuple[Array, Array]:
    """What np.unique(indices, return_inverse=True) returns, for indices in [0, end)."""
    if end > _ROWS_FOR_AN_INDEX * indices.size:
        return np.unique(indices, return_inverse=True)
    taken = np.zeros(end, np.bool_)
    taken[indices] = True
    rows = np.flatnonzero(taken)
    place = np.empty(end, np.int64)
    place[rows] = np.arange(rows.size)
    return rows, place[indices]


def dense(gradients: Sequence[Any]) -> list[Any]:  # Any: None and other objects are returned as they are
    """The gradients, with a whole array in place of each RowsGradient."""
    return [g.dense() if isinstance(g, RowsGradient) else g for g in gradients]
