"""Keras 3's `.weights.h5`: weights by their place in the model. Read only.

Each layer has a group that is called after the way to it from the model: attributes, and in lists, tuples and dicts the
class in snake_case, numbered: `layers/dense`, `layers/dense_1`, `layers/sequential/layers/dense`. What it owns lies there as
`vars/0`, `vars/1` ..., those first that were made to be trained. `vars` has an attribute `name`, the layer's own. A layer
in two places lies in the first one. tf-keras writes the same without names, and numbers do not count what lies elsewhere.
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

# How Keras 2.13 called `layers`.
_LAYERS, _OLD_LAYERS = "layers", "_layer_checkpoint_dependencies"
# What else lies at the root: the state of the training.
_TRAINING = ("optimizer", "metrics")
# Characters of a place. Each group's is kept, so it bounds what a deep file costs; Keras's have some ten a level.
_LONGEST = 1024


def layout(reader: Reader, root: h5py.Group) -> Contents | None:
    """What a file of this layout holds, see `_entries`; None for another layout."""
    if "layer_names" in root.attrs or not any(name in root for name in ("vars", _LAYERS, _OLD_LAYERS)):
        return None
    return Contents(_entries(reader, root), keras_version="3.0", backend=None)


def _entries(reader: Reader, root: h5py.Group) -> list[Entry]:
    """An entry for each group that has `vars`, in no order; its `place` is "" for the model itself, its name may be "".

    Raises:
        ModelFileError: For another layout.
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


# Such a file is recognized by what is in it: its name is one that HDF5 files of Keras 2 may have, too.
FORMAT = Format(layout=layout)
