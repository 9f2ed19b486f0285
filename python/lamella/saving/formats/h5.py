"""The HDF5 layout of Keras 2, which real Keras reads. Source: Keras 2.2.5 keras/engine/saving.py."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.saving.contents import Contents, Entry, Named
from lamella.saving.dialects.input_layers import explicit
from lamella.saving.errors import ModelFileError
from lamella.saving.formats import Format, _hdf5
from lamella.saving.guards.checksum import with_checksum
from lamella.saving.guards.hdf5 import Reader

if TYPE_CHECKING:
    import h5py

# Bytes. The header of an HDF5 object, attributes included, has at most 64 KiB; Keras leaves the rest for other entries.
HEADER_LIMIT = 64512
# The version of a file without one.
KERAS_1 = "1.0"
# An attribute of the root, and a group for its arrays, that only lamella has; Keras ignores both.
STATE = "lamella_state"
# An attribute of a nested layer's group that only lamella has: {"order": names}, see `contents.Entry`.
ORDER = "lamella_order"


def layout(reader: Reader, root: h5py.Group) -> Contents | None:
    """The contents of a file with this layout; None for another layout.

    Raises:
        ModelFileError: The file is damaged.
    """
    whole = "layer_names" not in root.attrs and "layer_names0" not in root.attrs and reader.has(root, "model_weights")
    group = reader.group(root, "model_weights") if whole else root
    version = reader.text(group, "keras_version")
    if version is None:
        if not whole and reader.names(group, "layer_names") is None:
            return None
        # Keras 1 writes its version only at the root of a whole model, and none into a file of weights.
        version = (reader.text(root, "keras_version") if whole else None) or KERAS_1
    names = reader.names(group, "layer_names")
    if names is None:
        raise ModelFileError(reader.path, "the attribute layer_names is missing")
    contents = Contents([_entry(reader, group, name) for name in names], version, reader.text(group, "backend"))
    if whole:
        contents.model_config = reader.json(root, "model_config")
        contents.training_config = reader.json(root, "training_config")
        contents.state = reader.json(root, STATE) or {}
        if reader.has(root, STATE):
            contents.state_arrays = reader.arrays(reader.group(root, STATE))
        if reader.has(root, "optimizer_weights"):
            contents.optimizer_weights = reader.arrays(reader.group(root, "optimizer_weights"))
    return contents


def _entry(reader: Reader, group: h5py.Group, name: str) -> Entry:
    layer = reader.group(group, name)
    return Entry(name, reader.arrays(layer), _order(reader, layer))


def _order(reader: Reader, layer: h5py.Group) -> list[str] | None:
    order = (reader.json(layer, ORDER) or {}).get("order")
    if order is not None and not (isinstance(order, list) and all(isinstance(name, str) for name in order)):
        raise ModelFileError(reader.path, f"the attribute {ORDER} of '{layer.name}' is not a list of names")
    return order


def to_bytes(contents: Contents) -> memoryview:
    """The bytes of a file, with a checksum. The same contents give the same bytes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(contents, file)
    return with_checksum(buffer)


def write(contents: Contents, group: h5py.Group) -> None:
    """Write the contents to an empty file or group.

    Raises:
        ValueError: HDF5 cannot store a name.
    """
    if contents.model_config is None:
        _write_layers(contents, group)
        return
    group.attrs["keras_version"] = contents.keras_version.encode()
    group.attrs["backend"] = (contents.backend or "").encode()
    group.attrs["model_config"] = _json(explicit(contents.model_config))
    _write_layers(contents, group.create_group("model_weights"))
    if contents.training_config is not None:
        group.attrs["training_config"] = _json(contents.training_config)
        if contents.optimizer_weights:
            _write_arrays(group.create_group("optimizer_weights"), contents.optimizer_weights)
    if contents.state:
        group.attrs[STATE] = _json(contents.state)
    if contents.state_arrays:
        _write_arrays(group.create_group(STATE), contents.state_arrays)


def _write_layers(contents: Contents, group: h5py.Group) -> None:
    for entry in contents.layers:
        _check_name(entry.name, f"the layer '{entry.name}'")
    write_names(group, "layer_names", [entry.name for entry in contents.layers])
    group.attrs["backend"] = (contents.backend or "").encode()
    group.attrs["keras_version"] = contents.keras_version.encode()
    for entry in contents.layers:
        _write_entry(group.require_group(entry.name), entry)


def _write_entry(group: h5py.Group, entry: Entry) -> None:
    for name, _ in entry.weights:
        _check_name(name, f"a weight of the layer '{entry.name}'")
    _write_arrays(group, entry.weights)
    if entry.order is not None:
        group.attrs[ORDER] = _json({"order": entry.order})


def _write_arrays(group: h5py.Group, arrays: Sequence[Named]) -> None:
    write_names(group, "weight_names", [name for name, _ in arrays])
    for name, array in arrays:
        group.create_dataset(name, data=array)


def write_names(group: h5py.Group, attribute: str, names: Sequence[str]) -> None:
    """Write names as one attribute, or as attribute0, attribute1, ... if one would be too long for HDF5."""
    encoded = [name.encode() for name in names]
    long = [name for name, text in zip(names, encoded) if len(text) > HEADER_LIMIT]
    if long:
        raise ValueError(f"names of more than {HEADER_LIMIT} bytes cannot be written to HDF5: {long[0][:50]}...")
    if not encoded:
        group.attrs[attribute] = []  # of float64, as in Keras's files
        return
    # An array of fixed-length strings, as h5py 2 makes of a list; h5py 3 would make strings of variable length.
    table = np.asarray(encoded)
    pieces = -(-table.nbytes // HEADER_LIMIT)
    if pieces == 1:
        group.attrs[attribute] = table
        return
    while any(piece.nbytes > HEADER_LIMIT for piece in np.array_split(table, pieces)):
        pieces += 1
    for i, piece in enumerate(np.array_split(table, pieces)):
        group.attrs[f"{attribute}{i}"] = piece


def _check_name(name: str, who: str) -> None:
    """Raise ValueError for a name that cannot be a path of groups."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"{who} is called {name!r}, which cannot be written to HDF5: no empty part, '.', '..' or NUL")


def _json(value: Any) -> bytes:
    # A string of variable length is stored outside the object's header, which has a limit.
    return json.dumps(value).encode()


FORMAT = Format(("", ".h5", ".hdf5", ".keras2"), read=_hdf5.read, to_bytes=to_bytes, layout=layout)
