"""A checksum at the end of our HDF5 files: damage is found before the HDF5 library reads a byte.

HDF5 reads past what follows its end of file. Another program that changes the file cuts the checksum off with the first
write, so a changed file is simply one without a checksum.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

_MARK = b"\nlamella sha256 "
_LENGTH = len(_MARK) + 64


def with_checksum(data: bytes) -> bytes:
    """The data, and the checksum behind it."""
    return data + _MARK + hashlib.sha256(data).hexdigest().encode()


def fits(file: BinaryIO) -> bool | None:
    """Whether the checksum is that of the bytes before it; None where there is none. Leaves the position at the start."""
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
