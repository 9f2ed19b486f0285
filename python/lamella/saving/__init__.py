"""Writes models to files and reads them. Files are data: nothing in them is executed or imported.

The suffix of the file's name chooses the format (`formats`). Without a known suffix it is the HDF5 layout of Keras 2.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from lamella.core.files import replace_file
from lamella.core.protocols import SavedModel
from lamella.saving import formats, places, suffixes, weights, whole
from lamella.saving.contents import Contents
from lamella.saving.errors import ModelFileError as ModelFileError
from lamella.saving.formats import Format
from lamella.saving.guards import pipes
from lamella.saving.overwrite import may_write

# A path, a file open for bytes, or an h5py.File or h5py.Group.
Target = Any


def save_model(model: SavedModel, filepath: Target, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Save a model, see `lamella.models.save_model`, which also prevents other threads from training it at the same time."""
    _check_kind(filepath)
    _check_suffix(filepath)
    if may_write(filepath, overwrite):
        _write(whole.contents_of(model, include_optimizer=include_optimizer), filepath)


def load_model(
    filepath: Target,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    *,
    timeout: float | None = None,
) -> SavedModel:
    """Load a model, see `lamella.models.load_model`."""
    _check_kind(filepath, timeout)
    return whole.model_of(_read(filepath, timeout), _name(filepath), custom_objects, compiled=compile)


def save_weights(model: SavedModel, filepath: Target, overwrite: bool = True) -> None:
    """Save the weights of a model, see `lamella.models.Model.save_weights`.

    Args:
        model: The model.
    """
    _check_kind(filepath)
    _check_suffix(filepath)
    if may_write(filepath, overwrite):
        _write(Contents(weights.entries(model.layers)), filepath)


def load_weights(
    model: SavedModel,
    filepath: Target,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
    *,
    timeout: float | None = None,
) -> None:
    """Load the weights of a model, see `lamella.models.Model.load_weights`.

    Args:
        model: The model.
    """
    _check_kind(filepath, timeout)
    contents, layers = _read(filepath, timeout), model.layers
    if contents.by_place:
        contents, layers = places.as_in_model(contents, layers, by_name=by_name, skip_mismatch=skip_mismatch)
    match = weights.by_name if by_name else weights.by_position
    found = match(contents, layers, skip_mismatch=skip_mismatch, reshape=reshape)
    weights.assign(found)


def _write(contents: Contents, target: Target) -> None:
    if isinstance(target, (str, bytes, os.PathLike)):
        replace_file(target, _bytes(formats.of(target), contents))
    elif hasattr(target, "write"):
        target.write(bytes(_bytes(formats.default(), contents)))  # some streams take nothing but bytes
    else:
        from lamella.saving.formats import h5

        h5.write(contents, target)


def _bytes(format: Format, contents: Contents) -> bytes | memoryview:
    assert format.to_bytes is not None, "each format with a suffix can be written"
    return format.to_bytes(contents)


def _read(source: Target, timeout: float | None) -> Contents:
    if isinstance(source, (str, bytes, os.PathLike)):
        if not pipes.is_pipe(source):
            with open(source, "rb") as file:
                return _read_file(formats.of(source), file, _name(source), timeout)
        started = time.monotonic()
        with tempfile.TemporaryFile() as copy:
            pipes.copy(source, _name(source), copy, timeout)
            copy.seek(0)
            left = None if timeout is None else max(0.01, timeout - (time.monotonic() - started))
            return _read_file(formats.of(source), copy, _name(source), left)
    if hasattr(source, "read"):
        with io.BytesIO() if timeout is None else tempfile.TemporaryFile() as copy:
            copy.write(source.read())
            copy.seek(0)
            return _read_file(formats.default(), copy, _name(source), timeout)
    if timeout is not None:
        raise ValueError("timeout: an open HDF5 file is read in this process, which cannot be stopped; pass its path")
    from lamella.saving.formats import _hdf5

    return _hdf5.read_group(source, _name(source))


def _read_file(format: Format, file: Any, name: str, timeout: float | None) -> Contents:
    assert format.read is not None, "a format with a suffix is read from a file"
    return format.read(file, name, timeout)


def _check_kind(target: Target, timeout: float | None = None) -> None:
    if timeout is not None and not timeout > 0:
        raise ValueError(f"expected timeout to be a number of seconds above 0, or None, got {timeout!r}")
    if isinstance(target, (str, bytes, os.PathLike)) or callable(getattr(target, "write", None)):
        return
    if type(target).__module__.partition(".")[0] != "h5py" or not hasattr(target, "create_group"):
        raise ValueError(f"unexpected type {type(target)} for `filepath`")


def _check_suffix(target: Target) -> None:
    if isinstance(target, (str, bytes, os.PathLike)):
        suffixes.check_written(target)


def _name(target: Target) -> str:
    """The name of a target, for messages."""
    if isinstance(target, (str, bytes, os.PathLike)):
        return os.fsdecode(target)
    return f"<{type(target).__name__}>"
