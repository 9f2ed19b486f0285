"""Arrays of an .npz file, those of lists included, without NumPy's way to read these: it runs pickles."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np

from lamella.datasets import pickles
from lamella.datasets.files import reading

# Images and texts shrink some 20 times at most; what grows more than 200 times, and beyond 64 MiB, is a bomb.
_FLOOR, _RATIO = 64 << 20, 200


def load(path: str, *names: str) -> list[Any]:
    """These arrays of the file; a list for an array of objects.

    Raises:
        DataFileError: The file is damaged, lacks one of them, or holds other than data.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        return [_load(archive, f"{name}.npy") for name in names]


def _load(archive: zipfile.ZipFile, member: str) -> Any:
    info = archive.getinfo(member)
    if info.file_size > max(_FLOOR, _RATIO * info.compress_size):
        raise ValueError(f"{member} grows from {info.compress_size} to {info.file_size} bytes")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member} is of version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            items = pickles.read(file.read())
            if not isinstance(items, list) or shape != (len(items),):
                raise ValueError(f"{member} holds no list")
            return items
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
