"""A checksum at the end of lamella's HDF5 files. It finds damage before the HDF5 library reads a byte.

HDF5 ignores bytes after its own end of the file. When another program changes the file, its first write cuts them off. So a
file that was changed has no checksum.
"""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

_MARK = b"\nlamella sha256 "
_LENGTH = len(_MARK) + 64


def with_checksum(file: io.BytesIO) -> memoryview:
    """The contents of a file in memory, to which their checksum is added. A large model is not copied."""
    with file.getbuffer() as data:
        digest = hashlib.sha256(data).hexdigest().encode()
    file.seek(0, io.SEEK_END)
    file.write(_MARK + digest)
    return file.getbuffer()


def fits(file: BinaryIO) -> bool | None:
    """Whether the checksum fits the bytes before it; None without a checksum. The file is positioned at its start afterwards."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _LENGTH))
    end = file.read(_LENGTH)
    file.seek(0)
    if not end.startswith(_MARK):
        return None
    digest = hashlib.sha256()
    left = size - _LENGTH
    while left:
        block = file.read(min(left, 1 << 20))
        digest.update(block)
        left -= len(block)
    file.seek(0)
    return digest.hexdigest().encode() == end[len(_MARK) :]
