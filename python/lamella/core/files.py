"""Files that are always whole: written beside, flushed, then renamed over the old one; directories to work in beside."""

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


def replace_file(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Make `path` hold `data`. Whatever happens meanwhile, the file is the old one or the new one, each complete.

    A symbolic link is followed; the permissions of a file that is replaced are kept. What is no regular file, a pipe
    say, is written to directly. Temporary files that a killed process left for the same target are removed.

    Raises:
        OSError: That names the path and the number of bytes; the old file is untouched then.
    """
    target = os.path.realpath(os.fsdecode(path))
    try:
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as device:
                device.write(data)
            return
        _remove_strays(target)

        def write(file: BinaryIO, name: str) -> None:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(name, target)

        _with_temporary(target, write)
        _sync(os.path.dirname(target))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{reason}, writing {len(data)} bytes", os.fsdecode(path)) from error


def check_target(path: Path) -> None:
    """Raises OSError or ValueError, as `replace_file` would, if `path` cannot be written to; writes nothing there."""
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError(f"expected a path without NUL characters, got {name!r}")
    target = os.path.realpath(name)
    mode = _mode(target)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if mode is not None and not stat.S_ISREG(mode):
        return
    try:
        _with_temporary(target, lambda file, name: None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


def _mode(target: str) -> int | None:
    try:
        return os.stat(target).st_mode
    except FileNotFoundError:
        return None


class Removing:
    """A `with` block after which the file or directory `path` is gone, if it is there: of a new name, to be made in the block.

    Used twice, one within the other: Ctrl-C may cut one of the exits off, and the other is then made.
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
        except IsADirectoryError:
            shutil.rmtree(self.path, ignore_errors=True)


def _with_temporary(target: str, use: Callable[[BinaryIO, str], None]) -> None:
    """use(file, name) of a new file in the target's directory, locked, so that others can tell it from one whose process is
    gone. It is removed in the end, unless it was renamed.
    """
    while True:
        name = _prefix(target) + secrets.token_hex(8)
        with Removing(name), Removing(name), open(name, "xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:  # else, before it was locked, another saver took it for a stray one
                use(file, name)
                return


def with_staging(directory: str, prefix: str, spare: str, use: Callable[[str], None]) -> None:
    """use(path) of a new directory inside `directory`, called `prefix` and 16 hexadecimal digits, and removed in the end.

    Those that a killed process left there are removed first; a living one holds a lock on its own. One that has files in
    its folder `spare` stays: they are the user's, and were to be put back.
    """
    _remove_stray_directories(directory, prefix, spare)
    while True:
        name = os.path.join(directory, prefix + secrets.token_hex(8))
        with Removing(name), Removing(name):
            os.mkdir(name, 0o700)
            with _locked_directory(name) as there:
                if there:  # else, before it was locked, another process took it for a stray one
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
    """Holds the lock of a directory; whether it is still there. Raises OSError where it is none, or without `wait` is locked."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


def _prefix(target: str) -> str:
    # The target's name as a hash: the temporary name must not be longer than what the file system takes.
    directory, base = os.path.split(target)
    return os.path.join(directory, f".tmp-{hashlib.sha256(os.fsencode(base)).hexdigest()[:16]}-")


def _remove_strays(target: str) -> None:
    """Temporary files of this target that no living process holds a lock on."""
    prefix = os.path.basename(_prefix(target))
    directory = os.path.dirname(target)
    for entry in os.listdir(directory):
        if not entry.startswith(prefix):
            continue
        name = os.path.join(directory, entry)
        with contextlib.suppress(OSError), open(name, "rb") as file:  # another process cleans up, too, or still writes
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name)


def _sync(directory: str) -> None:
    """The rename itself reaches the disk with the directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
