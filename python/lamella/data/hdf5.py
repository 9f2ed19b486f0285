"""HDF5Matrix: a dataset of an HDF5 file, or a range of its rows, used like an array. Source: Keras 2.2.5."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# The open files by process, device and inode: a path may later name another file, and an open file does not survive a fork.
# A file is closed with the last matrix in it.
_files: weakref.WeakValueDictionary[tuple[int, int, int], Any] = weakref.WeakValueDictionary()


class HDF5Matrix:
    """Rows start to end - 1 of a dataset. fit, evaluate and predict accept it instead of an array and read it batch by batch.

    Args:
        datapath: Path of the file, which is opened for reading.
        dataset: Name of the dataset in the file.
        start: First row.
        end: The row after the last one; None for all rows.
        normalizer: Function that is applied to the rows that were read. It may change their shape and dtype, which are taken
            from the first row.

    Raises:
        FileNotFoundError: The file does not exist.
        OSError: The file cannot be read as HDF5.
        KeyError: The file has no such dataset.
        ValueError: The range is not in the dataset.

    Source: Keras 2.2.5, which does not check the range. Keras reads indices only in increasing order, so only shuffle="batch"
        and False work. Here every order works, and "batch" is faster.
    """

    def __init__(
        self,
        datapath: str | os.PathLike[str],
        dataset: str,
        start: int = 0,
        end: int | None = None,
        normalizer: Callable[[Any], Any] | None = None,
    ) -> None:
        self.datapath = os.fspath(datapath)
        self.dataset = dataset
        self.normalizer = normalizer
        self._opened: tuple[int, Any, Any] | None = None  # process, file, dataset
        if not self.data.shape:
            raise ValueError(f"HDF5Matrix: dataset {dataset!r} of {self.datapath} is a single value and has no rows")
        rows = self.data.shape[0]
        self.start = start
        self.end = rows if end is None else end
        if not 0 <= self.start <= self.end <= rows:
            raise ValueError(f"HDF5Matrix: expected 0 <= start <= end <= {rows} rows of {dataset!r}, got {start} and {end}")
        first = self._read(slice(self.start, min(self.start + 1, self.end)))
        self._row_shape: tuple[int, ...] = np.shape(first)[1:]
        self._dtype: np.dtype[Any] = np.dtype(first.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the rows as they are handed out."""
        return (self.end - self.start, *self._row_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the rows as they are handed out."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes of `shape`."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of all rows."""
        return int(np.prod(self.shape))

    @property
    def data(self) -> Any:
        """The h5py dataset."""
        if self._opened is None or self._opened[0] != os.getpid():
            # Imported here: few programs read HDF5.
            import h5py

            status = os.stat(self.datapath)
            key = os.getpid(), status.st_dev, status.st_ino
            file = _files.get(key)
            if file is None or not file:  # a closed file is false
                file = _files[key] = h5py.File(self.datapath, "r")
            found = file.get(self.dataset)
            if not isinstance(found, h5py.Dataset):
                raise KeyError(f"HDF5Matrix: no dataset {self.dataset!r} in {self.datapath}, which has {sorted(file)}")
            self._opened = os.getpid(), file, found
        return self._opened[2]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | Sequence[int] | np.ndarray) -> Any:
        """A row, a range of rows, or rows by index in any order.

        Args:
            key: An index, a slice, a list of indices, or a mask.

        Raises:
            IndexError: An index or the end of a slice is beyond the rows.
            TypeError: It is something else.
        """
        if isinstance(key, slice):
            if key.stop is not None and key.stop > len(self):
                raise IndexError(f"HDF5Matrix: {key} ends after the {len(self)} rows")
            start, stop, step = key.indices(len(self))
            if step > 0:
                return self._read(slice(start + self.start, max(start, stop) + self.start, step))
            key = np.arange(start, stop, step)
        chosen = self._places(key)
        if chosen.ndim == 0:
            return self._read(int(chosen))
        places, where = np.unique(chosen, return_inverse=True)  # HDF5 reads lists in increasing order only
        return self._read(places, where)

    def _places(self, key: Any) -> np.ndarray:
        """The rows of the dataset for indices or a mask."""
        indices = np.asarray(key) if np.size(key) else np.zeros(np.shape(key), int)
        if indices.dtype.kind == "b" and indices.shape == (len(self),):
            indices = np.flatnonzero(indices)
        if indices.dtype.kind not in "iu" or indices.ndim > 1:
            raise TypeError(
                f"HDF5Matrix: expected an index, a slice, or a list of indices or a mask of {len(self)}, got {key!r}"
            )
        outside = (indices < -len(self)) | (indices >= len(self))
        if outside.any():
            raise IndexError(f"HDF5Matrix: index {indices[outside].flat[0]} is out of the {len(self)} rows")
        return np.where(indices < 0, indices + self.end, indices + self.start)

    def _read(self, rows: Any, order: Any = None) -> Any:
        read = self.data[rows] if order is None else self.data[rows][order]
        return read if self.normalizer is None else self.normalizer(read)
