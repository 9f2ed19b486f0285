"""Archives from strangers, unpacked: files and directories only, nothing outside the target, sizes within bounds."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError

from lamella.core.files import with_staging
from lamella.utils import tar_stream
from lamella.utils.tar_stream import Member

# Text and images shrink up to some 20 times; what grows more than 200 times, and beyond 64 MiB, is a bomb.
_FLOOR, _RATIO = 64 << 20, 200
_CHUNK = 1 << 20
# An empty file or a directory costs the disk something, too: a block, on most.
_ENTRY = 4096
# Directories inside each other, and bytes of a name: Linux takes 255 for a part and 4096 for a path.
_DEEPEST, _LONGEST = 64, 2048


def unpack(archive: str, directory: str, formats: tuple[str, ...]) -> bool:
    """Put what `archive` holds into `directory`; False if it is of none of the formats.

    Everything is unpacked beside first, and put in place when it is known to fit: an archive that is refused has changed nothing.
    What a killed process left of such work in `directory` is removed.

    Args:
        formats: Of "tar" (also gzip, bzip2, xz) and "zip".

    Raises:
        ValueError: For links, devices, names outside the directory, members that come twice or stand where the directory has
            something of another kind, encryption, damage, and sizes, numbers and depths beyond the limits.
        OSError: Where the disk says no.
    """
    try:
        with open(archive, "rb") as file:
            if "tar" in formats and tar_stream.is_tar(file):
                members = tar_stream.members(tar_stream.opened(file), archive)
            elif "zip" in formats and zipfile.is_zipfile(file):
                members = _zip_members(archive)
            else:
                return False

            def use(staging: str) -> None:
                fresh = os.path.join(staging, "new")
                os.mkdir(fresh)
                _write(members, archive, fresh)
                _replace(_moves(fresh, os.path.realpath(directory)), os.path.join(staging, "old"))

            with_staging(directory, ".unpacking-", "old", use)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, NotImplementedError) as error:
        raise ValueError(f"{archive}: damaged, or of a kind that is not read ({error})") from error
    return True


def _zip_members(archive: str) -> Iterator[Member]:
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


def _write(members: Iterator[Member], archive: str, fresh: str) -> None:
    limit = max(_FLOOR, _RATIO * os.path.getsize(archive))
    limit = min(limit, shutil.disk_usage(fresh).free)
    files: set[str] = set()
    directories = {fresh}
    total = 0

    def spend(size: int) -> None:
        nonlocal total
        total += size
        if total > limit:
            raise ValueError(f"{archive}: unpacks to {total} bytes and more; {limit} are allowed (ratio, free space)")

    def make(parts: list[str], name: str) -> str:
        path = fresh
        for part in parts:
            path = os.path.join(path, part)
            if path in files:
                raise ValueError(f"{archive}: {name!r} comes twice, as a file and as a directory")
            if path not in directories:
                spend(_ENTRY)
                os.mkdir(path)
                directories.add(path)
        return path

    for name, size, source in members:
        parts = _parts(name, archive)
        spend(_ENTRY + size)
        if source is None:
            make(parts, name)
            continue
        path = os.path.join(make(parts[:-1], name), *parts[-1:])
        if path in files or path in directories:
            raise ValueError(f"{archive}: {name!r} comes twice, or names no file")
        files.add(path)
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
    shown = name if len(name) < 100 else f"{name[:100]}..."
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise ValueError(f"{archive}: {shown!r} leads out of the directory that it is unpacked into")
    if len(parts) > _DEEPEST or len(os.fsencode(name)) > _LONGEST:
        raise ValueError(
            f"{archive}: {shown!r} has {len(parts)} parts and {len(os.fsencode(name))} bytes; {_DEEPEST} and {_LONGEST} are allowed"
        )
    return parts


def _moves(fresh: str, root: str) -> list[tuple[str, str]]:
    """(from, to) that bring the staged tree into `root`, over what is there; a tree that is new moves as a whole.

    Raises:
        ValueError: For a link that leads out of root, and for a file where a directory is to be, or the reverse.
    """
    moves = []
    for folder, directories, files in os.walk(fresh):
        inside = os.path.normpath(os.path.join(root, os.path.relpath(folder, fresh)))
        real = os.path.realpath(inside)
        if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
            raise ValueError(f"{inside} is a link out of {root}")
        if not os.path.isdir(real):
            raise ValueError(f"{inside} is no directory, and the archive has one of that name")
        for name in list(directories):
            if not os.path.lexists(os.path.join(real, name)):
                moves.append((os.path.join(folder, name), os.path.join(real, name)))
                directories.remove(name)
        for name in files:
            place = os.path.join(real, name)
            if os.path.isdir(place) and not os.path.islink(place):
                raise ValueError(f"{place} is a directory, and the archive has a file of that name")
            moves.append((os.path.join(folder, name), place))
    return moves


def _replace(moves: list[tuple[str, str]], spare: str) -> None:
    """Make the moves, or none: what stood there waits in `spare` until all are made."""
    os.mkdir(spare)
    begun: list[tuple[str, str, str]] = []
    try:
        for number, (source, place) in enumerate(moves):
            old = os.path.join(spare, str(number))
            begun.append((source, place, old))
            if os.path.lexists(place):
                os.rename(place, old)
            os.rename(source, place)
    except BaseException:
        for source, place, old in reversed(begun):
            if not os.path.lexists(source):
                os.rename(place, source)
            if os.path.lexists(old):
                os.rename(old, place)
        raise
