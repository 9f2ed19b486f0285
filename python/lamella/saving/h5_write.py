"""The HDF5 layout of Keras 2, written. Source: Keras 2.2.5 keras/engine/saving.py."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamella.saving.contents import Contents, Entry, Named
from lamella.saving.input_layers import explicit
from lamella.saving.seal import seal

if TYPE_CHECKING:
    import h5py

# HDF5 takes at most 64 KiB in the header of an object, attributes included; Keras leaves this much for the rest.
HEADER_LIMIT = 64512
# lamella's own attribute of the root, and a group beside it for arrays; Keras reads past both.
STATE = "lamella_state"
# Of a nested layer's group, lamella's own as well: {"order": names}, see `contents.Entry`.
ORDER = "lamella_order"


def to_bytes(contents: Contents) -> bytes:
    """A file's bytes, sealed. The same contents give the same bytes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(contents, file)
    return seal(buffer.getvalue())


def write(contents: Contents, group: h5py.Group) -> None:
    """Fill an empty file or group. Raises ValueError for names that HDF5 has no place for."""
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
    _write_names(group, "layer_names", [entry.name for entry in contents.layers])
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
    _write_names(group, "weight_names", [name for name, _ in arrays])
    for name, array in arrays:
        group.create_dataset(name, data=array)


def _write_names(group: h5py.Group, attribute: str, names: Sequence[str]) -> None:
    """As one attribute, or as attribute0, attribute1 ... where one would be too long for HDF5."""
    encoded = [name.encode() for name in names]
    long = [name for name, text in zip(names, encoded) if len(text) > HEADER_LIMIT]
    if long:
        raise ValueError(f"names of more than {HEADER_LIMIT} bytes cannot be written to HDF5: {long[0][:50]}...")
    if not encoded:
        group.attrs[attribute] = []  # of float64, as in Keras's files
        return
    # A table as wide as its longest name, which h5py 2 made of a list; h5py 3 makes strings of variable length of one.
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
    """A name becomes a path of groups, so its parts must be names, too."""
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(f"{who} is called {name!r}, which cannot be written to HDF5: no empty part, '.', '..' or NUL")


def _json(value: Any) -> bytes:
    # A string of variable length lies outside the object's header: no limit.
    return json.dumps(value).encode()
