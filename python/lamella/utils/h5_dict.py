"""H5Dict: reads and writes a group of an HDF5 file, or a dict, with the same methods. Source: Keras 2.2.5."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from lamella.saving.formats.h5 import write_names
from lamella.saving.guards.hdf5 import Reader


class H5Dict:
    """A group of an HDF5 file, or a dict. Arrays are stored as datasets, other values as attributes.

    Reading a name that does not exist makes a group. A list of texts that is too long for one attribute is split into several,
    as in Keras's files.

    Args:
        path: Path of a file, an h5py.Group, or a dict. In a dict, a group is a dict with the key "_is_group".
        mode: "r", "a" or "w". "w" also empties a dict.

    Raises:
        TypeError: `path` is something else.

    Deviation from Keras 2.2.5: a dict has copies of arrays, not pickles of them.
    """

    def __init__(self, path: Any, mode: Literal["r", "a", "w"] = "a") -> None:
        import h5py

        if not self.is_supported_type(path):
            raise TypeError(f"Required Group, str, Path or dict. Received: {type(path)}.")
        self._is_file = isinstance(path, (str, os.PathLike))
        self.data: Any = h5py.File(path, mode) if self._is_file else path
        if isinstance(path, dict):
            if mode == "w":
                path.clear()
            path["_is_group"] = True
        self.read_only = mode == "r"

    @staticmethod
    def is_supported_type(path: object) -> bool:
        """Whether the constructor accepts this path."""
        import h5py

        return isinstance(path, (h5py.Group, dict, str, os.PathLike))

    def __setitem__(self, attr: str | bytes, val: Any) -> None:
        """Store an array or another value.

        Raises:
            ValueError: The mode is "r", or a text is too long.
            KeyError: A group or an array has this name.
        """
        if self.read_only:
            raise ValueError("Cannot set item in read-only mode.")
        if isinstance(self.data, dict):
            self.data[_text(attr)] = val.copy() if isinstance(val, np.ndarray) else val
        elif attr in self.data:
            raise KeyError(f'Cannot set attribute. Group with name "{_text(attr)}" exists.')
        elif isinstance(val, (np.ndarray, np.generic)):
            self.data.create_dataset(attr, data=val)
        elif isinstance(val, (list, tuple)) and val and isinstance(val[0], (str, bytes)):
            write_names(self.data, _text(attr), [_text(text) for text in val])
        else:
            self.data.attrs[attr] = val

    def __getitem__(self, attr: str | bytes) -> Any:
        """An array, an attribute, or a group as an H5Dict. A name that does not exist becomes a new group.

        Raises:
            ValueError: The mode is "r" and the name does not exist.
        """
        name = _text(attr)
        if isinstance(self.data, dict):
            if name not in self.data:
                self._check_writable()
                return H5Dict(self.data.setdefault(name, {}))
            found = self.data[name]
            return H5Dict(found) if isinstance(found, dict) and found.get("_is_group") else found
        if name in self.data.attrs:
            found = self.data.attrs[name]
            return found.tolist() if isinstance(found, (np.ndarray, np.generic)) and found.dtype.kind == "S" else found
        if name in self.data:
            found = self.data[name]
            return np.asarray(found) if hasattr(found, "dtype") else self._group(found)
        pieces = Reader(self.data.file.filename, None).names(self.data, name)
        if pieces is not None:
            return pieces
        self._check_writable()
        return self._group(self.data.create_group(name))

    def _group(self, group: Any) -> H5Dict:
        return H5Dict(group, "r" if self.read_only else "a")

    def _check_writable(self) -> None:
        if self.read_only:
            raise ValueError("Cannot create group in read-only mode.")

    def __contains__(self, key: str | bytes) -> bool:
        return key in self.data or (not isinstance(self.data, dict) and key in self.data.attrs)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def iter(self) -> Iterator[str]:
        """Iterate over the names of groups and arrays; for a dict, over all names."""
        return iter(self.data)

    def get(self, key: str | bytes, default: Any = None) -> Any:
        """The value with this name, or `default`. It never makes a group."""
        if key not in self:
            return default
        return self[key]

    def update(self, *args: Any) -> None:
        """Update a dict, as dict.update.

        Raises:
            NotImplementedError: It is a file. Keras 2.2.5 raises it for a dict, too, after the update.
        """
        if not isinstance(self.data, dict):
            raise NotImplementedError("H5Dict.update: expected an H5Dict over a dict; set the items of a file one by one")
        self.data.update(*args)

    def close(self) -> None:
        """Flush the file. Close it if this object opened it."""
        if not isinstance(self.data, dict):
            self.data.file.flush()
        if self._is_file:
            self.data.close()

    def __enter__(self) -> H5Dict:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
