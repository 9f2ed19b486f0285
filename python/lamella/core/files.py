"""Writes files so that they are always complete: into a temporary file, which is flushed and renamed to the path. Only an empty
file is written in place.

Also makes temporary directories.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

# The errors of file systems that do not have an operation: Lustre, NFS and others have locks only if they are mounted so.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


def replace_file(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path`. At any time, also after an error or interrupt, the file is the complete old or new one.

    A symbolic link is followed. The permissions of a replaced file are kept. If the path is not a regular file, for example a
    pipe, it is written to directly. So is an empty file, when the data are already on the disk as the temporary file: scripts
    save to the name of an open tempfile.NamedTemporaryFile and read the result from it. Such a file holds a part of the data if
    the process is killed meanwhile; a file that is not empty is replaced, also an open one. Temporary files that a killed process
    left for the same path are removed.

    Args:
        path: The path.
        data: The bytes.

    Raises:
        OSError: The file cannot be written; the old file does not change. The message has the path and the number of bytes.
    """
    target = os.path.realpath(os.fsdecode(path))
    try:
        old = _status(target)
        if old is not None and not stat.S_ISREG(old.st_mode):
            with open(target, "wb") as device:
                device.write(data)
            return
        _remove_strays(target)

        def write(file: BinaryIO, name: str) -> None:
            if old is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if old is None or old.st_size or not _fill(target, data):
                os.replace(name, target)

        _with_temporary(target, write)
        _sync(os.path.dirname(target))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{reason}, writing {len(data)} bytes", os.fsdecode(path)) from error


def check_target(path: Path) -> None:
    """Check that `replace_file` can write to `path`. Nothing is written to it.

    Raises:
        OSError: It cannot be written to.
        ValueError: The path contains a NUL character.
    """
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError(f"expected a path without NUL characters, got {name!r}")
    target = os.path.realpath(name)
    status = _status(target)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if status is not None and not stat.S_ISREG(status.st_mode):
        return
    try:
        _with_temporary(target, lambda file, name: None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


def _status(target: str) -> os.stat_result | None:
    """The status of a file, or None if it does not exist."""
    try:
        return os.stat(target)
    except FileNotFoundError:
        return None


def _fill(target: str, data: bytes | bytearray | memoryview) -> bool:
    """Write into an empty file. False if that fails: the file is empty then, and the temporary file replaces it."""
    try:
        with open(target, "r+b", buffering=0) as file:
            try:
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(0)
                raise
    except OSError:
        return False
    return True


class Removing:
    """A `with` block at whose end the file or directory `path`, which is created in the block, is removed if it exists.

    It is used twice, one inside the other: Ctrl-C may interrupt one of the exits, and then the other one removes it.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass  # renamed
        except (IsADirectoryError, PermissionError):  # macOS raises the second one for a directory
            if not os.path.isdir(self.path):
                raise
            shutil.rmtree(self.path, ignore_errors=True)


def _with_temporary(target: str, use: Callable[[BinaryIO, str], None]) -> None:
    """Call use(file, name) with a new file in the target's directory. At the end the file is removed, unless it was renamed.

    The file is locked, which shows other processes that its process is alive.
    """
    while True:
        name = _prefix(target) + secrets.token_hex(8)
        with Removing(name), Removing(name), open(name, "xb") as file:
            lock(file.fileno())
            if os.fstat(file.fileno()).st_nlink:  # else another process removed it as a stray file before it was locked
                use(file, name)
                return


def lock(descriptor: int) -> None:
    """Wait for the lock of a file. On a file system without locks nothing is locked, and no stray files are removed.

    Args:
        descriptor: The open file.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def with_staging(directory: str, prefix: str, spare: str, use: Callable[[str], None]) -> None:
    """Call use(path) with a new directory inside of `directory`, which is removed at the end.

    Directories that killed processes left there are removed first. A living process holds a lock on its directory. A directory
    with files in its folder `spare` is kept, because these are files of the user that were to be moved back.

    Args:
        directory: The directory.
        prefix: The name of the new directory is this prefix and 16 hexadecimal digits.
        spare: The name of that folder.
        use: The function.
    """
    _remove_stray_directories(directory, prefix, spare)
    while True:
        name = os.path.join(directory, prefix + secrets.token_hex(8))
        with Removing(name), Removing(name):
            os.mkdir(name, 0o700)
            with _locked_directory(name) as there:
                if there:  # else another process removed it as a stray directory before it was locked
                    use(name)
                    return


def _remove_stray_directories(directory: str, prefix: str, spare: str) -> None:
    for entry in os.listdir(directory):
        if re.fullmatch(re.escape(prefix) + "[0-9a-f]{16}", entry) is None:
            continue
        name = os.path.join(directory, entry)
        with contextlib.suppress(OSError), _locked_directory(name, wait=False):
            kept = os.path.join(name, spare)
            if not os.path.isdir(kept) or not os.listdir(kept):
                shutil.rmtree(name, ignore_errors=True)


@contextlib.contextmanager
def _locked_directory(name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a directory in the block, whose value is whether the directory still exists.

    Raises:
        OSError: It is not a directory; or without `wait`, it is locked.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        if wait:
            lock(descriptor)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


def _prefix(target: str) -> str:
    # A hash of the target's name, so that the temporary name is not too long for the file system.
    directory, base = os.path.split(target)
    return os.path.join(directory, f".tmp-{hashlib.sha256(os.fsencode(base)).hexdigest()[:16]}-")


def _remove_strays(target: str) -> None:
    """Remove temporary files of this target that no living process has locked."""
    prefix = os.path.basename(_prefix(target))
    directory = os.path.dirname(target)
    for entry in os.listdir(directory):
        if not entry.startswith(prefix):
            continue
        name = os.path.join(directory, entry)
        with contextlib.suppress(OSError), open(name, "rb") as file:  # another process may remove it too, or still write it
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name)


def _sync(directory: str) -> None:
    """Flush a directory to the disk, which makes a rename in it permanent. Some file systems can flush only files."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
