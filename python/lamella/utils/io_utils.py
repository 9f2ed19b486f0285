"""Files: HDF5 datasets used as arrays, HDF5 in streams, and the question before a file is overwritten."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from lamella.core.keras_names import complete as _complete
from lamella.data.hdf5 import HDF5Matrix
from lamella.saving.formats.h5 import HEADER_LIMIT as HDF5_OBJECT_HEADER_LIMIT
from lamella.saving.overwrite import ask_to_proceed_with_overwrite
from lamella.utils.h5_dict import H5Dict

__all__ = [
    "H5Dict", "HDF5Matrix", "HDF5_OBJECT_HEADER_LIMIT", "ask_to_proceed_with_overwrite", "h5dict", "load_from_binary_h5py",
    "save_to_binary_h5py",
]  # fmt: skip

h5dict = H5Dict

T = TypeVar("T")


def load_from_binary_h5py(load_function: Callable[[Any], T], stream: BinaryIO) -> T:
    """Call `load_function` with an h5py.File that is read from a stream.

    Args:
        load_function: Called with the h5py.File.
        stream: Has the bytes of the file.

    Returns:
        The value that `load_function` returns.

    Raises:
        OSError: The bytes are not an HDF5 file.

    Source: Keras 2.2.5.
    """
    import h5py

    with h5py.File(io.BytesIO(stream.read()), "r") as file:
        return load_function(file)


def save_to_binary_h5py(save_function: Callable[[Any], T], stream: BinaryIO) -> T:
    """Call `save_function` with an empty h5py.File, and write the bytes of the file to a stream.

    Args:
        save_function: Called with the h5py.File.
        stream: Where the bytes are written.

    Returns:
        The value that `save_function` returns.

    Source: Keras 2.2.5.
    """
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        returned = save_function(file)
    stream.write(buffer.getvalue())
    return returned


_complete(__name__)
