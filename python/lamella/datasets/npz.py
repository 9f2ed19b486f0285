"""Reads the arrays of an .npz file, also arrays of lists, which NumPy could only read by running a pickle."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np

from lamella.datasets import pickles
from lamella.datasets.files import reading

# Bytes, and a ratio. Images and texts compress about 20 times at most. A member that expands more than 200 times, and to more
# than 64 MiB, is refused as a bomb.
_FLOOR, _RATIO = 64 << 20, 200


def load(path: str, *names: str) -> list[Any]:
    """The arrays with these names; an array of objects as a list.

    Args:
        path: Path of the file.
        names: The names of the arrays.

    Raises:
        DataFileError: The file is damaged, does not have one of them, or has something that is not data.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        return [_load(archive, f"{name}.npy") for name in names]


def _load(archive: zipfile.ZipFile, member: str) -> Any:
    info = archive.getinfo(member)
    if info.file_size > max(_FLOOR, _RATIO * info.compress_size):
        raise ValueError(f"{member} expands from {info.compress_size} to {info.file_size} bytes")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member} has the unknown version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            items = pickles.read(file.read())
            if not isinstance(items, list) or shape != (len(items),):
                raise ValueError(f"{member} does not have a list")
            return items
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
