"""Copies a named pipe to a file, which can be read in any order, within a time limit."""

from __future__ import annotations

import os
import select
import stat
import time
from typing import Any, BinaryIO

from lamella.core import config
from lamella.saving.errors import ModelFileError

_CHUNK = 1 << 16


def is_pipe(path: Any) -> bool:
    """Whether a path is a named pipe. False also if it does not exist; opening it raises the error."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def copy(path: Any, name: str, out: BinaryIO, timeout: float | None) -> None:
    """Copy everything that is written to the pipe until its writers have closed it.

    Args:
        path: Path of the pipe.
        name: Its name, for messages.
        out: The file to write to.
        timeout: Limit in seconds, the wait for a first writer included; None for no limit.

    Raises:
        ModelFileError: It takes more than `timeout` seconds, or there are more than config.max_file_bytes() bytes.
    """
    end = None if timeout is None else time.monotonic() + timeout
    most, came = config.max_file_bytes(), 0
    # Without O_NONBLOCK, opening waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            left = None if end is None else 1000 * max(0.0, end - time.monotonic())
            if not poll.poll(left) or left == 0:
                raise ModelFileError(name, f"the pipe was not written and closed within {timeout} s")
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return
            came += len(chunk)
            if most is not None and came > most:
                raise ModelFileError(
                    name, f"the pipe has more than {most} bytes, the limit that config.set_max_file_bytes sets"
                )
            out.write(chunk)
    finally:
        os.close(descriptor)
