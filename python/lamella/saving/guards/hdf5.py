"""Reads HDF5 files as data.

A file may come from an unknown source. Nothing outside the file is opened, and no more memory is allocated than its size
justifies. Source of the attacks: the CVEs of Keras.
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

# Limit of the size of all arrays together, as a multiple of the file's size. Keras does not compress arrays.
_BLOW_UP = 4
_ATTRIBUTE_LIMIT = 2**24  # bytes; Keras writes at most 64 KiB
# The filters that are part of HDF5. For any other filter, HDF5 would search and load a library.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}


# Bytes. Limit of the size of a list of names in a small file: names of variable length are references to strings elsewhere
# in the file, and many may refer to the same long string.
_UNPACKED = 2**24


class MayUnpackLarge(Exception):
    """A list of names may need more memory than the size of the file suggests. Only reading it shows how much."""


def _largest_heap(file: BinaryIO) -> int:
    """An upper bound in bytes of the largest heap of strings, and so of a string. Source: HDF5 File Format Specification, III.E."""
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
    """Reads each group and each array once, so that the work is bounded by the number of objects in the file.

    Args:
        path: Path of the file, for messages.
        size: Size of the file in bytes, which limits what is read; None for a trusted file.
        file: The file, in which the longest string is searched; None if the process has a memory limit.
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
        # The attribute gives the order. HDF5 iterates by name, and so does tf-keras when it makes the groups.
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
            raise ModelFileError(self.path, f"{where} stores its numbers in other files")
        settings = found.id.get_create_plist()
        filters = {settings.get_filter(i)[0] for i in range(settings.get_nfilters())}
        if not filters <= set(_FILTERS):
            raise ModelFileError(self.path, f"{where} needs filters {sorted(filters)}; only {_FILTERS} are accepted")
        self._once(found, where)
        dtype, shape = found.dtype, found.shape
        if dtype.kind not in "biuf" or shape is None:
            raise ModelFileError(self.path, f"{where}: expected numbers, got dtype {dtype}")
        # HDF5 decompresses whole chunks, and a chunk of a resizable array can be larger than the array.
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
            raise ModelFileError(self.path, f"'{group.name}/{name}' is not a group")
        self._once(found, f"'{group.name}/{name}'")
        return found

    def _once(self, found: Any, where: str) -> None:
        """Refuse a second name of a group or array. Keras writes none, and n groups with the same n arrays need n * n reads."""
        import h5py

        info = h5py.h5o.get_info(found.id)
        if (info.fileno, info.addr) in self.read_before:
            raise ModelFileError(self.path, f"{where} is a second name of something that was already read")
        self.read_before.add((info.fileno, info.addr))

    def _member(self, group: h5py.Group, name: str) -> Any:
        """The object at a path below `group`. Each link on the way is checked: links to other places and files are refused."""
        import h5py

        for part in name.split("/"):
            if not isinstance(group, h5py.Group) or part in ("", ".", "..") or part not in group:
                raise ModelFileError(self.path, f"'{name}' is listed, but does not exist")
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise ModelFileError(self.path, f"'{group.name}/{part}' is a link to another place, which is not followed")
            group = group[part]
        return group

    @staticmethod
    def has(group: h5py.Group, name: str) -> bool:
        return group.get(name, getlink=True) is not None

    def names(self, group: h5py.Group, attribute: str) -> list[str] | None:
        """A list of names, which may be split into attribute0, attribute1, ...; None if there is no such attribute."""
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
        """The value of an attribute, or None. Its size is checked before it is read."""
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
        """Raise MayUnpackLarge if so many strings, each of the largest possible length, are too large."""
        if self.file is None or self.text_limit is None or strings < 2:
            return
        if self.largest is None:
            self.largest = _largest_heap(self.file)
        if strings * self.largest > self.text_limit:
            raise MayUnpackLarge

    def _spend_text(self, value: Any, name: str) -> None:
        """Bound all texts together by the file's size: several attributes may refer to the same string."""
        if self.text_left is None:
            return
        texts = value.ravel() if isinstance(value, np.ndarray) else [value]
        self.text_left -= sum(len(text) for text in texts if isinstance(text, (str, bytes)))
        if self.text_left < 0:
            raise ModelFileError(self.path, f"the attribute {name} is more text than the file can hold")

    def _decoded(self, text: Any, what: str) -> str:
        """A string of HDF5 as str. h5py gives str or bytes, depending on its version and on how the string was written."""
        if isinstance(text, bytes):
            try:
                return text.decode()
            except UnicodeDecodeError:
                raise ModelFileError(self.path, f"the attribute {what} is no UTF-8") from None
        if isinstance(text, str):
            return str(text)
        raise ModelFileError(self.path, f"the attribute {what} holds {type(text).__name__}, expected text")
