"""Models to files and back. Files are data: nothing in them is executed or imported.

Format by name (`suffixes.py`): `.safetensors`, else the HDF5 layout of Keras 2, which real Keras reads.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from lamella.core.files import replace_file
from lamella.saving import h5_read, h5_write, isolated, pipes, safetensors_file, seal, suffixes, weights, weights_h5, whole
from lamella.saving.contents import Contents
from lamella.saving.errors import ModelFileError as ModelFileError
from lamella.saving.overwrite import may_write

# A path, a file open for bytes, or an h5py.File or h5py.Group.
Target = Any
Model = Any  # of the room above
# Seconds for a file that is read in a process of its own, though nobody asked for it.
_LONGEST = 600.0


def save_model(model: Model, filepath: Target, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """See `lamella.models.save_model`, which also keeps other threads from training the model meanwhile."""
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
) -> Model:
    """See `lamella.models.load_model`; the classes must be registered, so the rooms of layers and models be loaded."""
    _check_kind(filepath, timeout)
    return whole.model_of(_read(filepath, timeout), _name(filepath), custom_objects, compiled=compile)


def save_weights(model: Model, filepath: Target, overwrite: bool = True) -> None:
    """See `Model.save_weights`."""
    _check_kind(filepath)
    _check_suffix(filepath)
    if may_write(filepath, overwrite):
        _write(Contents(weights.entries(model.layers)), filepath)


def load_weights(
    model: Model,
    filepath: Target,
    by_name: bool = False,
    skip_mismatch: bool = False,
    reshape: bool = False,
    *,
    timeout: float | None = None,
) -> None:
    """See `Model.load_weights`."""
    _check_kind(filepath, timeout)
    contents, layers = _read(filepath, timeout), model.layers
    if weights_h5.is_from(contents):
        contents, layers = weights_h5.as_in_model(contents, layers, by_name=by_name, skip_mismatch=skip_mismatch)
    match = weights.by_name if by_name else weights.by_position
    found = match(contents, layers, skip_mismatch=skip_mismatch, reshape=reshape)
    weights.assign(found)


def _write(contents: Contents, target: Target) -> None:
    if isinstance(target, (str, bytes, os.PathLike)):
        format = safetensors_file if suffixes.is_safetensors(target) else h5_write
        replace_file(target, format.to_bytes(contents))
    elif hasattr(target, "write"):
        target.write(h5_write.to_bytes(contents))
    else:
        h5_write.write(contents, target)


def _read(source: Target, timeout: float | None) -> Contents:
    if isinstance(source, (str, bytes, os.PathLike)):
        if not pipes.is_pipe(source):
            with open(source, "rb") as file:
                return _read_named(file, source, timeout)
        started = time.monotonic()
        with tempfile.TemporaryFile() as copy:
            pipes.copy(source, _name(source), copy, timeout)
            copy.seek(0)
            left = None if timeout is None else max(0.01, timeout - (time.monotonic() - started))
            return _read_named(copy, source, left)
    if hasattr(source, "read"):
        with io.BytesIO() if timeout is None else tempfile.TemporaryFile() as copy:
            copy.write(source.read())
            copy.seek(0)
            return _read_file(copy, _name(source), timeout)
    if timeout is not None:
        raise ValueError("timeout: an HDF5 file that is open already is read in this process; pass its path")
    return h5_read.read_group(source, _name(source))


def _read_named(file: Any, path: Target, timeout: float | None) -> Contents:
    if suffixes.is_safetensors(path):
        return safetensors_file.read(file, _name(path))
    return _read_file(file, _name(path), timeout)


def _read_file(file: Any, name: str, timeout: float | None) -> Contents:
    if seal.unbroken(file) is False:
        raise ModelFileError(name, "the file is damaged: its checksum does not fit")
    if timeout is not None:
        return isolated.read(file, name, timeout)
    try:
        return h5_read.read(file, name)
    except h5_read.MayUnpackLarge:  # of large models by right, so a process with a limit of memory finds out
        with tempfile.TemporaryFile() as copy:
            file.seek(0)
            shutil.copyfileobj(file, copy)
            return isolated.read(copy, name, _LONGEST)


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
    """For messages."""
    if isinstance(target, (str, bytes, os.PathLike)):
        return os.fsdecode(target)
    return f"<{type(target).__name__}>"
