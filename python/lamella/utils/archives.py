"""Archives from strangers, unpacked: files and directories only, nothing outside the target, sizes within bounds."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from typing import IO

# Text and images shrink up to some 20 times; what grows more than 200 times, and beyond 64 MiB, is a bomb.
_FLOOR, _RATIO = 64 << 20, 200
_CHUNK = 1 << 20
# An empty file costs the disk something, too.
_ENTRY = 512

# (name, size in bytes, what to read it from; None for a directory)
_Member = tuple[str, int, IO[bytes] | None]


def unpack(archive: str, directory: str, formats: tuple[str, ...]) -> bool:
    """Put what `archive` holds into `directory`; False if it is of none of the formats.

    Everything is unpacked beside first: an archive that is refused leaves nothing behind.
    Args:  formats: of "tar" (also gzip, bzip2, xz) and "zip".
    Raises:  ValueError for links, devices, names outside the directory, members that come twice, encryption, damage, and
        sizes beyond the limits; OSError where the disk says no.
    """
    try:
        if "tar" in formats and tarfile.is_tarfile(archive):
            members = _tar_members(archive)
        elif "zip" in formats and zipfile.is_zipfile(archive):
            members = _zip_members(archive)
        else:
            return False
        staging = tempfile.mkdtemp(prefix=".unpacking-", dir=directory)
        try:
            _write(members, archive, staging)
            _move_in(staging, os.path.realpath(directory))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, NotImplementedError) as error:
        raise ValueError(f"{archive}: damaged, or of a kind that is not read ({error})") from error
    return True


def _tar_members(archive: str) -> Iterator[_Member]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir():
                yield member.name, 0, None
            elif member.isreg() and not member.issparse():
                yield member.name, member.size, tar.extractfile(member)
            else:
                raise ValueError(f"{archive}: {member.name!r} is no plain file: links and devices are not unpacked")


def _zip_members(archive: str) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as whole:
        for member in whole.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{archive}: {member.filename!r} is no plain file: links and devices are not unpacked")
            if member.flag_bits & 1:
                raise ValueError(f"{archive}: {member.filename!r} is encrypted")
            if member.is_dir():
                yield member.filename, 0, None
            else:
                with whole.open(member) as source:
                    yield member.filename, member.file_size, source


def _write(members: Iterator[_Member], archive: str, staging: str) -> None:
    limit = max(_FLOOR, _RATIO * os.path.getsize(archive))
    limit = min(limit, shutil.disk_usage(staging).free)
    seen: set[str] = set()
    total = 0
    for name, size, source in members:
        parts = _parts(name, archive)
        total += _ENTRY + size
        if total > limit:
            raise ValueError(f"{archive}: unpacks to {total} bytes and more; {limit} are allowed (ratio, free space)")
        path = os.path.join(staging, *parts)
        if source is None:
            os.makedirs(path, exist_ok=True)
            continue
        if not parts or path in seen:
            raise ValueError(f"{archive}: {name!r} comes twice, or names no file")
        seen.add(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as target:
            written = 0
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > size:
                    break
                target.write(chunk)
        if written != size:
            raise ValueError(f"{archive}: {name!r} says {size} bytes and holds {'more' if written > size else written}")


def _parts(name: str, archive: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise ValueError(f"{archive}: {name!r} leads out of the directory that it is unpacked into")
    return parts


def _move_in(staging: str, root: str) -> None:
    """The staged tree into `root`, over what is there. A link that stands there already is not followed out of it."""
    for folder, directories, files in os.walk(staging):
        inside = os.path.join(root, os.path.relpath(folder, staging))
        real = os.path.realpath(inside)
        if real != root and not real.startswith(root + os.sep):
            raise ValueError(f"{inside} is a link out of {root}")
        os.makedirs(real, exist_ok=True)
        for name in list(directories):
            if not os.path.lexists(os.path.join(real, name)):
                os.rename(os.path.join(folder, name), os.path.join(real, name))  # a whole tree at once
                directories.remove(name)
        for name in files:
            os.replace(os.path.join(folder, name), os.path.join(real, name))
