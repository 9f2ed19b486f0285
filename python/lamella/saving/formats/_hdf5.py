"""Reads HDF5 files of any layout. They are checked first, and read in an isolated process if a limit is given or needed."""

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

# Seconds. The limit for a file that is read in an isolated process without a timeout of the user.
_LONGEST = 600.0


def read(file: BinaryIO, path: str, timeout: float | None) -> Contents:
    """The contents of an open file.

    Args:
        file: The file, open for reading bytes.
        path: Its path, for messages.
        timeout: Limit in seconds, with which HDF5 reads the file in an isolated process; None for no limit.

    Raises:
        ModelFileError: The file is damaged, or is not a model or weights file of Keras 2 or later.
    """
    if checksum.fits(file) is False:
        raise ModelFileError(path, "the file is damaged: its checksum does not fit")
    if timeout is not None:
        return isolated.read(file, path, timeout)
    try:
        return read_here(file, path)
    except MayUnpackLarge:  # a large model may need it, so an isolated process with a memory limit reads it
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            return isolated.read(copy, path, _LONGEST)


def read_here(file: BinaryIO, path: str, *, limited: bool = False) -> Contents:
    """The same as `read`, in this process. `limited`: the process has a memory limit, so MayUnpackLarge is not raised."""
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
    # The errors that HDF5 raises for damage in different parts of a file.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise ModelFileError(path, f"the file is damaged or not an HDF5 file ({error})") from error


def read_group(group: h5py.Group, path: str) -> Contents:
    """The same as `read`, for an open HDF5 file or group, which is trusted."""
    return _contents(Reader(path, None), group)


def _contents(reader: Reader, root: h5py.Group) -> Contents:
    for format in formats.listed():
        found = None if format.layout is None else format.layout(reader, root)
        if found is not None:
            return found
    raise ModelFileError(reader.path, "neither model weights nor names of layers: not a file of Keras")
