"""Rows: data too large or too empty to become one array; its rows are read and converted when a batch of them is due."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np

from lamella.core.checks import check_dtype
from lamella.core.types import Array
from lamella.data.hdf5 import HDF5Matrix

# Makes what is handed out of rows that were read; `numbers` are their places in the source, for messages.
Convert: TypeAlias = Callable[[Array, "Array | None"], Array]

# HDF5 takes some 2 us for each row of a list and 50 us for a slice, so lists of longer runs than this are read run by run.
_ROWS_A_RUN = 32
# A pass through all rows reads so much at a time.
_PIECE_BYTES = 1 << 22


class Readable(Protocol):
    """What batches are cut from: an array, or Rows."""

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
    """Whether `data` becomes Rows: an HDF5Matrix, an h5py dataset, a sparse matrix, an array mapped from a file."""
    if isinstance(data, np.ndarray):
        return data.ndim > 0 and not isinstance(data, np.ma.MaskedArray) and (type(data) is np.memmap or _is_mapped(data))
    if isinstance(data, (Rows, HDF5Matrix)):
        return True
    h5py = sys.modules.get("h5py")  # whoever has a dataset has imported it
    if h5py is not None and isinstance(data, h5py.Dataset):
        return bool(data.shape)
    return hasattr(data, "tocsr") and len(data.shape) == 2


def _is_mapped(array: Array) -> bool:
    """np.asarray of a memmap, and views of it, are plain arrays to look at."""
    base = array.base
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


class Rows:
    """In the place of an array: slices and `take` read from the source, and convert what they read.

    Args:
        source: What `is_deferred` says yes to.
        row_shape: Of a row that is handed out; None: as in the source.
        convert: Also checks values, so what is wrong with them is found when their batch is due.
        start, stop: The part of the source that this is.
        who: Names it in messages.

    Raises:
        TypeError: For a source of no numbers; later ValueError if the source has become shorter.
    """

    def __init__(
        self,
        source: Any,
        who: str = "data",
        convert: Convert | None = None,
        row_shape: tuple[int, ...] | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.source = source
        self.who = who
        self._convert = convert
        self._row_shape = tuple(int(n) for n in source.shape[1:]) if row_shape is None else row_shape
        self._rows = source.tocsr() if hasattr(source, "tocsr") else source  # other sparse forms have no fast rows
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
        """The same rows, converted otherwise."""
        return Rows(self.source, who, convert, self._row_shape, self._start, self._stop)

    def reshaped(self, row_shape: tuple[int, ...]) -> Rows:
        """The same rows, each of that shape."""
        return Rows(self.source, self.who, self._convert, row_shape, self._start, self._stop)

    def part(self, rows: slice) -> Rows:
        """Consecutive rows of these, still unread."""
        start, stop, _ = rows.indices(len(self))
        return Rows(self.source, self.who, self._convert, self._row_shape, self._start + start, self._start + max(start, stop))

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
        """All of it: for callbacks that look at their validation_data."""
        if copy is False:
            raise ValueError(f"{self.who}: rows of a file or sparse matrix become an array by a copy only")
        return np.asarray(self[:], dtype)

    def take(self, indices: Array, /, axis: int = 0) -> Array:
        """The rows at `indices`, in their order. They are read in increasing order, which is all that HDF5 can."""
        places, where = np.unique(indices, return_inverse=True)
        runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
        if len(runs) * _ROWS_A_RUN <= len(places):
            read = np.concatenate([self._slice(int(run[0]), int(run[-1]) + 1) for run in runs])
        else:
            read = self._read(places + self._start, len(places))
        return read[where]

    def pieces(self) -> Iterator[Array]:
        """All rows, some at a time."""
        rows = max(1, _PIECE_BYTES * len(self) // max(1, self.nbytes))
        for start in range(0, len(self), rows):
            yield self[start : start + rows]

    def _slice(self, start: int, stop: int) -> Array:
        return self._read(slice(self._start + start, self._start + stop), stop - start)

    def _read(self, rows: slice | Array, count: int) -> Array:
        if self._rows.shape[0] < self._stop:
            raise ValueError(
                f"{self.who}: the data had {self._stop} rows or more when it was handed in, now it has {self._rows.shape[0]}"
            )
        try:
            found = self._rows[rows]
        except StopIteration as error:  # of an HDF5Matrix's normalizer: it would end the epoch, not the program
            raise RuntimeError(f"{self.who}: reading rows raised StopIteration") from error
        array = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
        array = array.reshape(count, *self._row_shape)
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return array if self._convert is None else self._convert(array, numbers)


def part(data: Any, rows: slice) -> Any:
    """Consecutive rows of an array, as a view, or of Rows, unread."""
    return data.part(rows) if isinstance(data, Rows) else data[rows]


def whole(data: Any) -> Array:
    """The array itself; of Rows all, read now."""
    found: Array = data[:] if isinstance(data, Rows) else data
    return found


def pieces(data: Any) -> Iterator[Array]:
    """An array whole; of Rows some at a time."""
    return data.pieces() if isinstance(data, Rows) else iter((data,))
