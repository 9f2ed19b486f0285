"""The gradient of a table of which a batch took few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array


class RowsGradient:
    """A gradient that is zero but in the rows that were taken, kept as what is to be summed.

    It adds up with other gradients: to one in rows where both are, to an array else.

    Attributes:
        shape, dtype: Of the table.
        parts: (indices int64 [N], dy [N, C]) for each time that rows were taken: dy[i] counts in row indices[i]. Sums go over
            each part in the order of its indices, then over the parts, as they do in whole arrays: the bits are the same.
    """

    __slots__ = ("shape", "dtype", "parts")
    __array_ufunc__ = None  # ndarray + RowsGradient asks RowsGradient
    base = None  # as of an array that owns its memory

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
        """The whole gradient."""
        return self._summed([indices for indices, _ in self.parts], self.shape)

    def touched(self) -> tuple[Array, Array]:
        """The rows that were taken, int64 [U] ascending, and their gradients [U, the table's other axes]."""
        rows, places = np.unique(np.concatenate([indices for indices, _ in self.parts]), return_inverse=True)
        ends = np.cumsum([len(indices) for indices, _ in self.parts])
        return rows, self._summed(np.split(places, ends[:-1]), (len(rows), *self.shape[1:]))

    def _summed(self, places: Sequence[Array], shape: tuple[int, ...]) -> Array:
        total: Array | None = None
        for into, (_, dy) in zip(places, self.parts):
            part = np.empty((shape[0], count(shape[1:])), self.dtype)
            _kernels.take_backward(dy, into, part)
            total = part if total is None else total + part
        assert total is not None
        return total.reshape(shape)


def dense(gradients: Sequence[Any]) -> list[Any]:  # Any: None, and whatever a user's step was given, stay as they are
    """The gradients, each that is in rows as a whole array."""
    return [g.dense() if isinstance(g, RowsGradient) else g for g in gradients]
