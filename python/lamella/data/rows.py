"""Rows: data that is too large or too sparse for one array. Its rows are read and converted batch by batch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np

from lamella.core.checks import check_dtype
from lamella.core.types import Array
from lamella.data.hdf5 import HDF5Matrix

# Converts rows that were read; the second argument is their indices in the source, for messages.
Convert: TypeAlias = Callable[[Array, "Array | None"], Array]

# HDF5 takes about 2 us for each row of a list and 50 us for a slice, so longer runs of indices than this are read as slices.
_ROWS_A_RUN = 32
# A pass over all rows reads this much at a time.
_PIECE_BYTES = 1 << 22


class Readable(Protocol):
    """An array or Rows, of which batches are cut."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> Array: ...
    def take(self, indices: Array, /, axis: int = 0) -> Array: ...


def is_deferred(data: Any) -> bool:
    """Whether `data` becomes Rows: an HDF5Matrix, an h5py dataset, a sparse matrix, or an array that is mapped from a file."""
    if isinstance(data, np.ndarray):
        return data.ndim > 0 and not isinstance(data, np.ma.MaskedArray) and (type(data) is np.memmap or _is_mapped(data))
    if isinstance(data, (Rows, HDF5Matrix)):
        return True
    h5py = sys.modules.get("h5py")  # a dataset exists only if h5py was imported
    if h5py is not None and isinstance(data, h5py.Dataset):
        return bool(data.shape)
    return hasattr(data, "tocsr") and len(data.shape) == 2


def _is_mapped(array: Array) -> bool:
    """Whether an array is a view of a memmap: np.asarray of a memmap has the type of a plain array."""
    base = array.base
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


class Rows:
    """Used like an array: slices and `take` read rows from the source and convert them.

    Args:
        source: Data for which `is_deferred` is true.
        who: Its name in messages.
        convert: Function that is applied to the rows that were read. It also checks values, so an error in them is raised when
            their batch is read.
        row_shape: Shape of a row before `convert`; None for the shape in the source.
        start: First row of the source.
        stop: The row after the last one; None for all rows.
        rows: The source in a format that is fast to slice by rows, from other Rows of it; None to make it.

    Raises:
        TypeError: The source is not numbers.
        ValueError: While reading, if the source has fewer rows than at the beginning.
    """

    def __init__(
        self,
        source: Any,
        who: str = "data",
        convert: Convert | None = None,
        row_shape: tuple[int, ...] | None = None,
        start: int = 0,
        stop: int | None = None,
        rows: Any = None,
    ) -> None:
        self.source = source
        self.who = who
        self._convert = convert
        self._row_shape = tuple(int(n) for n in source.shape[1:]) if row_shape is None else row_shape
        if rows is None:
            rows = source.tocsr() if hasattr(source, "tocsr") else source  # other sparse formats are slow to slice by rows
        self._rows = rows
        self._start = start
        self._stop: int = source.shape[0] if stop is None else stop
        check_dtype(source.dtype, who, source)
        empty = np.empty((0, *self._row_shape), source.dtype)
        self.dtype: np.dtype[Any] = (empty if convert is None else convert(empty, None)).dtype
        self.shape = (len(self), *self._row_shape)
        self.ndim = len(self.shape)
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self._stop - self._start

    def converted(self, who: str, convert: Convert) -> Rows:
        """The same rows with another conversion."""
        return Rows(self.source, who, convert, self._row_shape, self._start, self._stop, self._rows)

    def reshaped(self, row_shape: tuple[int, ...]) -> Rows:
        """The same rows, each of this shape."""
        return Rows(self.source, self.who, self._convert, row_shape, self._start, self._stop, self._rows)

    def part(self, rows: slice) -> Rows:
        """Consecutive rows, not yet read."""
        start, stop, _ = rows.indices(len(self))
        start, stop = self._start + start, self._start + max(start, stop)
        return Rows(self.source, self.who, self._convert, self._row_shape, start, stop, self._rows)

    def __getitem__(self, rows: Any) -> Any:
        """The rows of a slice or at indices, or the row at one index."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._slice(start, max(start, stop))
            return self.take(np.arange(start, stop, step))
        if np.ndim(rows) == 0:
            place = range(len(self))[rows]
            return self._slice(place, place + 1)[0]
        return self.take(np.arange(len(self))[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All rows as one array: for callbacks that read their validation_data."""
        if copy is False:
            raise ValueError(f"{self.who}: rows of a file or sparse matrix become an array by a copy only")
        return np.asarray(self[:], dtype)

    def take(self, indices: Array, /, axis: int = 0) -> Array:
        """The rows at `indices`, in this order. They are read in increasing order, the only one that HDF5 supports."""
        places, where = np.unique(indices, return_inverse=True)
        runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
        if len(runs) * _ROWS_A_RUN <= len(places):
            read = np.concatenate([self._slice(int(run[0]), int(run[-1]) + 1) for run in runs])
        else:
            read = self._read(places + self._start, len(places))
        return read[where]

    def pieces(self) -> Iterator[Array]:
        """All rows, in parts of at most 4 MiB."""
        rows = max(1, _PIECE_BYTES * len(self) // max(1, self.nbytes))
        for start in range(0, len(self), rows):
            yield self[start : start + rows]

    def _slice(self, start: int, stop: int) -> Array:
        return self._read(slice(self._start + start, self._start + stop), stop - start)

    def _read(self, rows: slice | Array, count: int) -> Array:
        if self._rows.shape[0] < self._stop:
            raise ValueError(
                f"{self.who}: the data had at least {self._stop} rows at the beginning, but has {self._rows.shape[0]} now"
            )
        try:
            found = self._rows[rows]
        except StopIteration as error:  # from a normalizer of HDF5Matrix: it would end the epoch without an error
            raise RuntimeError(f"{self.who}: reading rows raised StopIteration") from error
        array = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
        array = array.reshape(count, *self._row_shape)
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return array if self._convert is None else self._convert(array, numbers)


def part(data: Any, rows: slice) -> Any:
    """Consecutive rows: a view of an array, or Rows that are not yet read."""
    return data.part(rows) if isinstance(data, Rows) else data[rows]


def whole(data: Any) -> Array:
    """The array itself, or all rows of Rows, which are read."""
    found: Array = data[:] if isinstance(data, Rows) else data
    return found


def pieces(data: Any) -> Iterator[Array]:
    """The array itself, or Rows in parts."""
    return data.pieces() if isinstance(data, Rows) else iter((data,))
