"""Reads the members of a tar as a stream. Memory has only the current block and the current long name.

Python's tarfile does not check the sizes in the records before a member: it reads a long name of 256 MiB into memory.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

_BLOCK = 512
# Limit in bytes of one record with a long name or attributes. Paths have at most 4096 bytes.
_RECORD = 1 << 16
# Limit in bytes of all records together. They need time, but no disk space, so the limit of disk space does not bound them.
_RECORDS = 1 << 26
_CHUNK = 1 << 18
# Bytes. More than tar adds at the end to fill a record of a tape.
_PADDING = 1 << 20
# Limit in bytes of the memory of xz. Its strongest setting needs 65 MiB.
_LZMA_MEMORY = 128 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x5d\0\0": "xz"}

# (name, size in bytes, file to read it from, or None for a directory)
Member = tuple[str, int, IO[bytes] | None]


class _Decompressed:
    """A compressed file as a stream of bytes. It never decompresses more bytes than `read` asks for, so a bomb has no effect."""

    def __init__(self, file: IO[bytes], kind: str) -> None:
        self._file, self._kind = file, kind
        self._decompressor = self._new()
        self._input = b""  # bytes that were read from the file and not yet decompressed

    def _new(self) -> Any:
        if self._kind == "gzip":
            return zlib.decompressobj(wbits=31)
        return bz2.BZ2Decompressor() if self._kind == "bzip2" else lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end. Raises EOFError if the file is cut off, and the libraries' errors for damage."""
        pieces = []
        while size > 0:
            if self._decompressor.eof:  # concatenated compressed files count as one; zeros after them are padding
                rest = (self._decompressor.unused_data or self._input or self._file.read(_CHUNK)).lstrip(b"\0")
                if not rest:
                    break
                self._decompressor, self._input = self._new(), rest
            if not self._input and getattr(self._decompressor, "needs_input", True):
                self._input = self._file.read(_CHUNK)
                if not self._input:
                    raise EOFError("it is cut off")
            piece = self._decompressor.decompress(self._input, size)
            self._input = getattr(self._decompressor, "unconsumed_tail", b"")
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)


def is_tar(file: IO[bytes]) -> bool:
    """Whether a file, compressed or not, begins with the header of a tar. The position is at the start afterwards."""
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
    """The stream from which the tar is read: the file itself, or one that decompresses it."""
    start = file.read(8)
    file.seek(0)
    return next((_Decompressed(file, kind) for magic, kind in _MAGIC.items() if start.startswith(magic)), file)


def members(stream: Any, who: str) -> Iterator[Member]:
    """Iterate over the files and directories. A file must be read before the next member is requested.

    Args:
        stream: The tar, from `opened`.
        who: The name of the archive, with which messages begin.

    Raises:
        ValueError: A member is a link, a device or a sparse file; a record is above its limit; or the tar is damaged.
    """
    records, name, size = 0, "", -1
    while True:
        block = _exactly(stream, _BLOCK, who)
        if block == bytes(_BLOCK):
            stream.read(_PADDING)  # up to the end, so that the decompressor compares its checksum
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.size < 0:
            raise ValueError(f"{who}: {header.name!r} declares {header.size} bytes")
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
            yield name, size, source  # type: ignore[misc]  # only IO's `read` is needed
            source.skip(who)
        else:
            raise ValueError(f"{who}: {name!r} is not a regular file: links and devices are not unpacked")
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
    """The attributes, by key, of a record of lines "length key=value\\n", where length is the number of bytes of the line."""
    found: dict[str, str] = {}
    at = 0
    while at < len(record) and record[at] != 0:
        digits, _, _ = record[at : at + 8].partition(b" ")
        end = at + int(digits) if digits.isdigit() else 0
        key, sign, value = record[at + len(digits) + 1 : end - 1].partition(b"=")
        if end <= at or end > len(record) or record[end - 1 : end] != b"\n" or not sign:
            raise ValueError(f"{who}: damaged attributes of a member")
        if key.startswith(b"GNU.sparse"):
            raise ValueError(f"{who}: a sparse file is not a regular file: it is not unpacked")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return found


def _size(text: str, who: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"{who}: a member declares {text[:20]!r} bytes")
    return int(text)
