"""Unpacks archives from unknown sources: only files and directories, nothing outside the directory, limited sizes."""

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

# Bytes, and a ratio. Text and images compress about 20 times at most. An archive that expands more than 200 times, and to
# more than 64 MiB, is refused as a bomb.
_FLOOR, _RATIO = 64 << 20, 200
_CHUNK = 1 << 20
# Bytes. An empty file or a directory also needs disk space: one block on most file systems.
_ENTRY = 4096
# Limits of the depth of directories and of the bytes of a name. Linux allows 255 bytes in a part and 4096 in a path.
_DEEPEST, _LONGEST = 64, 2048


def unpack(archive: str, directory: str, formats: tuple[str, ...]) -> bool:
    """Unpack an archive into a directory.

    Everything is first unpacked into a staging directory, and moved into place after all checks: a refused archive changes
    nothing. Staging directories that a killed process left in `directory` are removed.

    Args:
        archive: Path of the archive.
        directory: Path of the directory, which exists.
        formats: The accepted formats: "tar" (also compressed by gzip, bzip2 or xz), "zip", or both.

    Returns:
        True if it was unpacked; False if it has none of the formats.

    Raises:
        ValueError: The archive has links, devices, names outside the directory, a member twice, encryption or damage; or it has
            a file where the directory has a directory, or the reverse; or a size, number or depth is above its limit.
        OSError: The disk failed or is full.
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
        raise ValueError(f"{archive}: damaged, or of an unsupported kind ({error})") from error
    return True


def _zip_members(archive: str) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as whole:
        for member in whole.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{archive}: {member.filename!r} is not a regular file: links and devices are not unpacked")
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
            raise ValueError(f"{archive}: unpacks to at least {total} bytes; {limit} are allowed (ratio, free space)")

    def make(parts: list[str], name: str) -> str:
        path = fresh
        for part in parts:
            path = os.path.join(path, part)
            if path in files:
                raise ValueError(f"{archive}: {name!r} occurs twice, as a file and as a directory")
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
            raise ValueError(f"{archive}: {name!r} occurs twice, or is not the name of a file")
        files.add(path)
        with open(path, "xb") as target:
            written = 0
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > size:
                    break
                target.write(chunk)
        if written != size:
            raise ValueError(f"{archive}: {name!r} declares {size} bytes, but has {'more' if written > size else written}")


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
    """The moves (from, to) of the staged tree into `root`. Files are replaced; a new directory is moved as a whole.

    Raises:
        ValueError: A link in `root` leads out of it, or one tree has a file where the other has a directory.
    """
    moves = []
    for folder, directories, files in os.walk(fresh):
        inside = os.path.normpath(os.path.join(root, os.path.relpath(folder, fresh)))
        real = os.path.realpath(inside)
        if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
            raise ValueError(f"{inside} is a link out of {root}")
        if not os.path.isdir(real):
            raise ValueError(f"{inside} is not a directory, but the archive has a directory of that name")
        for name in list(directories):
            if not os.path.lexists(os.path.join(real, name)):
                moves.append((os.path.join(folder, name), os.path.join(real, name)))
                directories.remove(name)
        for name in files:
            place = os.path.join(real, name)
            if os.path.isdir(place) and not os.path.islink(place):
                raise ValueError(f"{place} is a directory, but the archive has a file of that name")
            moves.append((os.path.join(folder, name), place))
    return moves


def _replace(moves: list[tuple[str, str]], spare: str) -> None:
    """Make all moves, or none. The replaced files stay in `spare` until all moves are made."""
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
