"""The members of a tar, read as one stream: nothing is held but the block and the long name that are at hand.

Python's tarfile believes the records before a member whatever they say: a long name of 256 MiB is read into memory.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

_BLOCK = 512
# Bytes of one record of a long name or of attributes; paths have at most 4096.
_RECORD = 1 << 16
# All records together, which cost time and no room on the disk.
_RECORDS = 1 << 26
_CHUNK = 1 << 18
# More than what tar adds to fill a tape's record.
_PADDING = 1 << 20
# What xz may use; its strongest setting takes 65 MiB.
_LZMA_MEMORY = 128 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x5d\0\0": "xz"}

# (name, size in bytes, what to read it from; None for a directory)
Member = tuple[str, int, IO[bytes] | None]


class _Unpacked:
    """A compressed file as a stream of bytes. Decompressors are asked for no more than is wanted, so no bomb goes off."""

    def __init__(self, file: IO[bytes], kind: str) -> None:
        self._file, self._kind = file, kind
        self._machine = self._new()
        self._waiting = b""

    def _new(self) -> Any:
        if self._kind == "gzip":
            return zlib.decompressobj(wbits=31)
        return bz2.BZ2Decompressor() if self._kind == "bzip2" else lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end. Raises EOFError for a file that is cut off, and what the libraries raise."""
        pieces = []
        while size > 0:
            if self._machine.eof:  # several files behind each other count as one; zeros after them are padding
                rest = (self._machine.unused_data or self._waiting or self._file.read(_CHUNK)).lstrip(b"\0")
                if not rest:
                    break
                self._machine, self._waiting = self._new(), rest
            if not self._waiting and getattr(self._machine, "needs_input", True):
                self._waiting = self._file.read(_CHUNK)
                if not self._waiting:
                    raise EOFError("it is cut off")
            piece = self._machine.decompress(self._waiting, size)
            self._waiting = getattr(self._machine, "unconsumed_tail", b"")
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)


def is_tar(file: IO[bytes]) -> bool:
    """Whether the file, compressed or not, begins as a tar does. Leaves the position at the start."""
    try:
        block = opened(file).read(_BLOCK)
        if block != bytes(_BLOCK):
            tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        return True
    except (tarfile.HeaderError, EOFError, OSError, zlib.error, lzma.LZMAError):
        return False
    finally:
        file.seek(0)


def opened(file: IO[bytes]) -> Any:
    """What to read the tar from: the file itself, or what unpacks it."""
    start = file.read(8)
    file.seek(0)
    return next((_Unpacked(file, kind) for magic, kind in _MAGIC.items() if start.startswith(magic)), file)


def members(stream: Any, who: str) -> Iterator[Member]:
    """Each file and directory; a file is to be read before the next is asked for.

    Raises:
        ValueError: Which begins with `who`, for links, devices, sparse files, records beyond the bounds, and damage.
    """
    records, name, size = 0, "", -1
    while True:
        block = _exactly(stream, _BLOCK, who)
        if block == bytes(_BLOCK):
            stream.read(_PADDING)  # to where the checksum of what was packed stands
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.size < 0:
            raise ValueError(f"{who}: {header.name!r} says {header.size} bytes")
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE):
            records += header.size + _BLOCK
            if header.size > _RECORD or records > _RECORDS:
                raise ValueError(f"{who}: {header.size} bytes of names or attributes; {_RECORD} are allowed for one member")
            record = _exactly(stream, header.size, who)
            _exactly(stream, -header.size % _BLOCK, who)
            if header.type == tarfile.GNUTYPE_LONGNAME:
                name = record.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            elif header.type == tarfile.XHDTYPE:
                given = _attributes(record, who)
                name = given.get("path", name)
                size = _size(given["size"], who) if "size" in given else size
            continue
        name, size = name or header.name, header.size if size < 0 else size
        if header.isdir():
            yield name, 0, None
        elif header.isreg() and header.type != tarfile.GNUTYPE_SPARSE:
            source = _Part(stream, size)
            yield name, size, source  # type: ignore[misc]  # of IO it has `read`, and no more is asked of it
            source.skip(who)
        else:
            raise ValueError(f"{who}: {name!r} is no plain file: links and devices are not unpacked")
        name, size = "", -1


class _Part:
    """The bytes of one member."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._left, self._padding = stream, size, -size % _BLOCK

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def skip(self, who: str) -> None:
        while self._left:
            if not self.read(_CHUNK):
                raise ValueError(f"{who}: the archive is cut off")
        _exactly(self._stream, self._padding, who)


def _exactly(stream: Any, size: int, who: str) -> bytes:
    data: bytes = stream.read(size)
    if len(data) != size:
        raise ValueError(f"{who}: the archive is damaged: it is cut off")
    return data


def _attributes(record: bytes, who: str) -> dict[str, str]:
    """{key: value} of lines "length key=value\\n", where length counts the whole line."""
    found: dict[str, str] = {}
    at = 0
    while at < len(record) and record[at] != 0:
        digits, _, _ = record[at : at + 8].partition(b" ")
        end = at + int(digits) if digits.isdigit() else 0
        key, sign, value = record[at + len(digits) + 1 : end - 1].partition(b"=")
        if end <= at or end > len(record) or record[end - 1 : end] != b"\n" or not sign:
            raise ValueError(f"{who}: damaged attributes of a member")
        if key.startswith(b"GNU.sparse"):
            raise ValueError(f"{who}: a sparse file is no plain file: it is not unpacked")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return found


def _size(text: str, who: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"{who}: a member says {text[:20]!r} bytes")
    return int(text)
