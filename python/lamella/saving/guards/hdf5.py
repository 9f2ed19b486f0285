"""HDF5 files read as data. A file may come from a stranger: nothing outside it is opened, and nothing is allocated that it
does not hold. Source of the attacks: Keras's CVEs.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lamella.core import config
from lamella.core.configurable import Config
from lamella.core.shapes import count
from lamella.saving.contents import Named
from lamella.saving.errors import ModelFileError
from lamella.saving.guards.text import parse_json

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

    def arrays(self, group: h5py.Group) -> list[Named]:
        # The order is the attribute's: HDF5 iterates by name, and tf-keras makes the groups in that order.
        names = self.names(group, "weight_names")
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
    def has(group: h5py.Group, name: str) -> bool:
        return group.get(name, getlink=True) is not None

    def names(self, group: h5py.Group, attribute: str) -> list[str] | None:
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

    def json(self, group: h5py.Group, attribute: str) -> Config | None:
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
