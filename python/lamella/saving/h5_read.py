"""The HDF5 layout of Keras 2, read as data. A file may come from a stranger: nothing outside it is opened, and nothing is
allocated that it does not hold. Source of the layout: Keras 2.2.5 keras/engine/saving.py; of the attacks: Keras's CVEs.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lamella.core import config
from lamella.core.configurable import Config
from lamella.core.shapes import count
from lamella.saving import weights_h5
from lamella.saving.contents import Contents, Entry, Named
from lamella.saving.errors import ModelFileError
from lamella.saving.h5_write import ORDER, STATE
from lamella.saving.text import parse_json

if TYPE_CHECKING:
    import h5py

# What arrays may declare together, over the file's size: Keras does not compress, so a file holds all of its numbers.
_BLOW_UP = 4
_ATTRIBUTE_LIMIT = 2**24  # bytes; Keras writes at most 64 KiB
# Compression and checksums that are part of HDF5. Others are libraries that HDF5 would look for and load.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}


# What one list of names may unpack to, if the file is small: names of variable length are references to strings elsewhere in
# the file, and many may refer to the same long one.
_UNPACKED = 2**24


class MayUnpackLarge(Exception):
    """A list of names could take more memory than the file lets expect; only reading it tells."""


def read(file: BinaryIO, path: str, *, limited: bool = False) -> Contents:
    """The contents of an open file.

    limited: the process has a limit of memory, so that MayUnpackLarge is not raised.

    Raises:
        ModelFileError: For what is no model or weights file of Keras 2 or later; MayUnpackLarge.
    """
    import h5py

    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) == b"PK\3\4":
        raise ModelFileError(path, "a zip file, as Keras 3 writes .keras files; let it save the model as .h5")
    file.seek(0)
    try:
        with h5py.File(file, "r") as opened:
            return Reader(path, size, None if limited else file).contents(opened)
    except (ModelFileError, MayUnpackLarge):
        raise
    # What HDF5 raises for damage: any of these, by where the damage lies.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise ModelFileError(path, f"the file is damaged or no HDF5 file ({error})") from error


def read_group(group: h5py.Group, path: str) -> Contents:
    """As `read`, for a file or group that is open already, which is trusted."""
    return Reader(path, None).contents(group)


def _largest_heap(file: BinaryIO) -> int:
    """Bytes of the largest heap of strings, or more: no string is longer. Source: HDF5 File Format Specification, III.E."""
    largest, tail, size = 0, b"", 0
    file.seek(0)
    while block := file.read(1 << 20):
        data = tail + block
        at = data.find(b"GCOL")
        while at >= 0 and at + 16 <= len(data):
            largest = max(largest, int.from_bytes(data[at + 8 : at + 16], "little"))
            at = data.find(b"GCOL", at + 1)
        tail = data[-15:]
        size += len(block)
    return min(largest, size)


class Reader:
    """Reads each group and each array once, so the work is bounded by the number of objects that the file holds.

    Args:
        path: For messages.
        size: Of the file in bytes, which limits what is read; None for a file that is trusted.
        file: To look for what names could unpack to; None where that has another limit.
    """

    def __init__(self, path: str, size: int | None, file: BinaryIO | None = None) -> None:
        self.path = path
        self.file = file
        self.text_limit = None if size is None else max(_UNPACKED, _BLOW_UP * size)
        self.text_left = None if size is None else _BLOW_UP * size
        self.largest: int | None = None
        self.read_before: set[tuple[int, int]] = set()
        self.left = None if size is None else min(_BLOW_UP * size, config.max_file_bytes() or _BLOW_UP * size)

    def contents(self, root: h5py.Group) -> Contents:
        whole = "layer_names" not in root.attrs and "layer_names0" not in root.attrs and self._has(root, "model_weights")
        group = self.group(root, "model_weights") if whole else root
        version = self.text(group, "keras_version")
        if version is None or version.startswith("1"):
            if not whole and self._names(group, "layer_names") is None:
                if weights_h5.is_such(root):
                    return weights_h5.read(self, root)
                raise ModelFileError(self.path, "neither model weights nor names of layers: no file of Keras")
            raise ModelFileError(
                self.path,
                f"written by Keras {version or '1'}, whose kernels and gates are laid out in another way; "
                "load and save it with Keras 2 first",
            )
        names = self._names(group, "layer_names")
        if names is None:
            raise ModelFileError(self.path, "the attribute layer_names is missing")
        contents = Contents([self._entry(group, name) for name in names], version, self.text(group, "backend"))
        if whole:
            contents.model_config = self._json(root, "model_config")
            contents.training_config = self._json(root, "training_config")
            contents.state = self._json(root, STATE) or {}
            if self._has(root, STATE):
                contents.state_arrays = self._arrays(self.group(root, STATE))
            if self._has(root, "optimizer_weights"):
                contents.optimizer_weights = self._arrays(self.group(root, "optimizer_weights"))
        return contents

    def _entry(self, group: h5py.Group, name: str) -> Entry:
        layer = self.group(group, name)
        return Entry(name, self._arrays(layer), self._order(layer))

    def _order(self, layer: h5py.Group) -> list[str] | None:
        order = (self._json(layer, ORDER) or {}).get("order")
        if order is not None and not (isinstance(order, list) and all(isinstance(name, str) for name in order)):
            raise ModelFileError(self.path, f"the attribute {ORDER} of '{layer.name}' is no list of names")
        return order

    def _arrays(self, group: h5py.Group) -> list[Named]:
        # The order is the attribute's: HDF5 iterates by name, and tf-keras makes the groups in that order.
        names = self._names(group, "weight_names")
        if names is None:
            raise ModelFileError(self.path, f"'{group.name}' has no attribute weight_names")
        return [(name, self.array(group, name)) for name in names]

    def array(self, group: h5py.Group, name: str) -> NDArray[Any]:
        import h5py

        found = self._member(group, name)
        where = f"'{group.name}/{name}'"
        if not isinstance(found, h5py.Dataset):
            raise ModelFileError(self.path, f"{where} is no array")
        if found.is_virtual or found.external:
            raise ModelFileError(self.path, f"{where} keeps its numbers in other files")
        settings = found.id.get_create_plist()
        filters = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())}
        if not filters <= set(_FILTERS):
            raise ModelFileError(self.path, f"{where} needs filters {sorted(filters)}, of which only {_FILTERS} are used")
        self._once(found, where)
        dtype, shape = found.dtype, found.shape
        if dtype.kind not in "biuf" or shape is None:
            raise ModelFileError(self.path, f"{where}: expected numbers, got dtype {dtype}")
        # HDF5 unpacks whole chunks, and a chunk of an array that may grow can be larger than the array.
        chunk = settings.get_chunk() if settings.get_layout() == h5py.h5d.CHUNKED else ()
        declared = max(count(shape), count(chunk)) * dtype.itemsize
        if self.left is not None:
            self.left -= declared
            if self.left < 0:
                raise ModelFileError(self.path, f"{where} declares {declared} bytes, more than the file can hold or may")
        return np.asarray(found[()])

    def group(self, group: h5py.Group, name: str) -> h5py.Group:
        import h5py

        found = self._member(group, name)
        if not isinstance(found, h5py.Group):
            raise ModelFileError(self.path, f"'{group.name}/{name}' is no group")
        self._once(found, f"'{group.name}/{name}'")
        return found

    def _once(self, found: Any, where: str) -> None:
        """Refuse a second name of a group or array: Keras writes none, and n names of n arrays are n * n reads."""
        import h5py

        info = h5py.h5o.get_info(found.id)
        if (info.fileno, info.addr) in self.read_before:
            raise ModelFileError(self.path, f"{where} is another name of what was read already")
        self.read_before.add((info.fileno, info.addr))

    def _member(self, group: h5py.Group, name: str) -> Any:
        """What lies at a path below `group`, link by link: links to other places and files are refused."""
        import h5py

        for part in name.split("/"):
            if not isinstance(group, h5py.Group) or part in ("", ".", "..") or part not in group:
                raise ModelFileError(self.path, f"'{name}' is named, but not there")
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise ModelFileError(self.path, f"'{group.name}/{part}' is a link to another place, which is not followed")
            group = group[part]
        return group

    @staticmethod
    def _has(group: h5py.Group, name: str) -> bool:
        return group.get(name, getlink=True) is not None

    def _names(self, group: h5py.Group, attribute: str) -> list[str] | None:
        """A list of names, which may lie in attributes attribute0, attribute1 ...; None if there is none."""
        whole = self._attribute(group, attribute)
        pieces = [whole]
        if whole is None:
            numbered = (self._attribute(group, f"{attribute}{i}") for i in itertools.count())
            pieces = list(itertools.takewhile(lambda piece: piece is not None, numbered))
            if not pieces:
                return None
        names = [self._decoded(name, attribute) for piece in pieces for name in np.ravel(piece)]
        taken: set[str] = set()
        for name in names:
            if name in taken:
                raise ModelFileError(self.path, f"the attribute {attribute} of '{group.name}' names {name!r} twice")
            taken.add(name)
        return names

    def text(self, group: h5py.Group, attribute: str) -> str | None:
        value = self._attribute(group, attribute)
        return None if value is None else self._decoded(value, attribute)

    def _json(self, group: h5py.Group, attribute: str) -> Config | None:
        text = self.text(group, attribute)
        return None if text is None else parse_json(text, attribute, self.path)

    def _attribute(self, group: h5py.Group, name: str) -> Any:
        """None if there is none. Its size is looked at before it is read."""
        import h5py

        if name not in group.attrs:
            return None
        attribute = h5py.h5a.open(group.id, name.encode())
        size = attribute.get_space().get_simple_extent_npoints() * attribute.dtype.itemsize
        if size > _ATTRIBUTE_LIMIT:
            raise ModelFileError(self.path, f"the attribute {name} of '{group.name}' declares {size} bytes")
        kind = attribute.get_type()
        if kind.get_class() not in (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            raise ModelFileError(self.path, f"the attribute {name} holds {attribute.dtype}, expected text")
        if kind.get_class() == h5py.h5t.STRING and kind.is_variable_str():
            self._check_unpacked(attribute.get_space().get_simple_extent_npoints())
        value = group.attrs[name]
        self._spend_text(value, name)
        return value

    def _check_unpacked(self, strings: int) -> None:
        """Raises MayUnpackLarge where so many strings, each as long as it can be, are too much."""
        if self.file is None or self.text_limit is None or strings < 2:
            return
        if self.largest is None:
            self.largest = _largest_heap(self.file)
        if strings * self.largest > self.text_limit:
            raise MayUnpackLarge

    def _spend_text(self, value: Any, name: str) -> None:
        """All texts together stay within what a file of its size holds: attributes may refer to the same string."""
        if self.text_left is None:
            return
        texts = value.ravel() if isinstance(value, np.ndarray) else [value]
        self.text_left -= sum(len(text) for text in texts if isinstance(text, (str, bytes)))
        if self.text_left < 0:
            raise ModelFileError(self.path, f"the attribute {name} is more text than the file can hold")

    def _decoded(self, text: Any, what: str) -> str:
        """HDF5's strings are str or bytes, by how they were written and by the version of h5py."""
        if isinstance(text, bytes):
            try:
                return text.decode()
            except UnicodeDecodeError:
                raise ModelFileError(self.path, f"the attribute {what} is no UTF-8") from None
        if isinstance(text, str):
            return str(text)
        raise ModelFileError(self.path, f"the attribute {what} holds {type(text).__name__}, expected text")
