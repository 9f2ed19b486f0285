"""HDF5 files of any layout: checked, read in a process of its own where that is asked for or needed, then handed to the
layouts of the formats.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from lamella.saving import formats
from lamella.saving.contents import Contents
from lamella.saving.errors import ModelFileError
from lamella.saving.guards import checksum, isolated
from lamella.saving.guards.hdf5 import MayUnpackLarge, Reader

if TYPE_CHECKING:
    import h5py

# Seconds for a file that is read in a process of its own, though nobody asked for it.
_LONGEST = 600.0


def read(file: BinaryIO, path: str, timeout: float | None) -> Contents:
    """The contents of an open file.

    Args:
        path: For messages.
        timeout: Seconds; HDF5 then reads the file in a process of its own.

    Raises:
        ModelFileError: For what is no model or weights file of Keras 2 or later.
    """
    if checksum.fits(file) is False:
        raise ModelFileError(path, "the file is damaged: its checksum does not fit")
    if timeout is not None:
        return isolated.read(file, path, timeout)
    try:
        return read_here(file, path)
    except MayUnpackLarge:  # of large models by right, so a process with a limit of memory finds out
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            return isolated.read(copy, path, _LONGEST)


def read_here(file: BinaryIO, path: str, *, limited: bool = False) -> Contents:
    """As `read`, in this process. limited: It has a limit of memory, so that MayUnpackLarge is not raised."""
    import h5py

    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) == b"PK\3\4":
        raise ModelFileError(path, "a zip file, as Keras 3 writes .keras files; let it save the model as .h5")
    file.seek(0)
    try:
        with h5py.File(file, "r") as opened:
            return _contents(Reader(path, size, None if limited else file), opened)
    except (ModelFileError, MayUnpackLarge):
        raise
    # What HDF5 raises for damage: any of these, by where the damage lies.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise ModelFileError(path, f"the file is damaged or no HDF5 file ({error})") from error


def read_group(group: h5py.Group, path: str) -> Contents:
    """As `read`, for a file or group that is open already, which is trusted."""
    return _contents(Reader(path, None), group)


def _contents(reader: Reader, root: h5py.Group) -> Contents:
    for format in formats.listed():
        found = None if format.layout is None else format.layout(reader, root)
        if found is not None:
            return found
    raise ModelFileError(reader.path, "neither model weights nor names of layers: no file of Keras")
