"""Keras 3's `.weights.h5`: weights by their place in the model. This format is only read.

Each layer has a group whose name is its path from the model: attributes, and in lists, tuples and dicts the numbered class in
snake_case: `layers/dense`, `layers/dense_1`, `layers/sequential/layers/dense`. Its own weights are `vars/0`, `vars/1`, ..., first
those that were made trainable. `vars` has an attribute `name`, the name of the layer. A layer in two places is stored at the
first one. tf-keras writes the same without names, and does not count layers that are stored elsewhere.
Source: Keras 3.15 keras/src/saving/saving_lib.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.saving.contents import Contents, Entry
from lamella.saving.errors import ModelFileError
from lamella.saving.formats import Format
from lamella.saving.guards.hdf5 import Reader

if TYPE_CHECKING:
    import h5py

# The second is the name of `layers` in Keras 2.13.
_LAYERS, _OLD_LAYERS = "layers", "_layer_checkpoint_dependencies"
# Other groups of the root: the state of the training.
_TRAINING = ("optimizer", "metrics")
# Characters of a path. Each path is kept, so this bounds the cost of deeply nested files. Keras has about ten per level.
_LONGEST = 1024


def layout(reader: Reader, root: h5py.Group) -> Contents | None:
    """The contents of a file with this layout, see `_entries`; None for another layout."""
    if "layer_names" in root.attrs or not any(name in root for name in ("vars", _LAYERS, _OLD_LAYERS)):
        return None
    return Contents(_entries(reader, root), keras_version="3.0", backend=None)


def _entries(reader: Reader, root: h5py.Group) -> list[Entry]:
    """An entry for each group that has `vars`, in any order. `place` is "" for the model itself; the name may be "".

    Raises:
        ModelFileError: The layout is another one.
    """
    found: list[Entry] = []
    waiting = [("", root)]
    while waiting:
        place, group = waiting.pop()
        for name in group:
            if name == "vars":
                found.append(_entry(reader, place, group))
            elif place or not _is_training(name, root):
                inner = _LAYERS if not place and name == _OLD_LAYERS and _LAYERS not in root else name
                inner = f"{place}/{inner}" if place else inner
                if len(inner) > _LONGEST:
                    raise ModelFileError(reader.path, f"'{inner[:50]}...' is a place of more than {_LONGEST} characters")
                waiting.append((inner, reader.group(group, name)))
    return found


def _is_training(name: str, root: h5py.Group) -> bool:
    layered = _LAYERS in root or _OLD_LAYERS in root
    return name in _TRAINING or (layered and name.startswith("_") and name != _OLD_LAYERS)


def _entry(reader: Reader, place: str, group: h5py.Group) -> Entry:
    owned = reader.group(group, "vars")
    numbers = [str(i) for i in range(len(owned))]
    if set(owned) != set(numbers):
        names = sorted(set(owned) - set(numbers))
        raise ModelFileError(reader.path, f"'{owned.name}': expected arrays 0, 1 ..., found {names[0][:50]!r}")
    arrays = [(f"{place}/vars/{number}", reader.array(owned, number)) for number in numbers]
    return Entry(reader.text(owned, "name") or "", arrays, place=place)


# The format is recognized by what the file holds: HDF5 files of Keras 2 may have the same suffix.
FORMAT = Format(layout=layout)
