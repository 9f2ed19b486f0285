"""The child's side of `data/workers/processes.py`, and the protocol: pickles, with large arrays sent after them, uncopied."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from lamella.core import config, registry
from lamella.core.pickling import imported_only


class PipeEnded(Exception):
    """The other side of the pipe is gone. Not an EOFError or OSError, because a user's code may raise these too."""


class Pickled:
    """The pickle of an object. Large buffers are not copied into it."""

    def __init__(self, obj: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        header = io.BytesIO()
        pickler = pickle.Pickler(header, protocol=5, buffer_callback=buffers.append)
        # A worker process may not have the names of local classes and functions.
        pickler.dispatch_table = imported_only()
        pickler.dump(obj)
        self.header = header.getvalue()
        self.buffers = [memoryview(buffer.raw()) for buffer in buffers]

    @property
    def nbytes(self) -> int:
        """The size of header and buffers."""
        return len(self.header) + sum(buffer.nbytes for buffer in self.buffers)

    @cached_property
    def digest(self) -> bytes:
        """A hash of the contents, when it is first read."""
        digest = hashlib.blake2b(self.header)
        for buffer in self.buffers:
            digest.update(buffer)
        return digest.digest()

    def send(self, connection: Connection) -> None:
        """Send header and buffers.

        Raises:
            PipeEnded: The other side is gone.
        """
        # Not connection.send: if a thread ends in the middle of it, CPython 3.13 warns about the buffer that send made.
        sizes = pickle.dumps((self.header, [buffer.nbytes for buffer in self.buffers]))
        try:
            connection.send_bytes(sizes)
            for buffer in self.buffers:
                if buffer.nbytes:
                    connection.send_bytes(buffer)
        except (EOFError, OSError):
            raise PipeEnded from None


def receive(connection: Connection) -> Any:
    """The object that the other side sent. Its arrays are writable.

    Raises:
        PipeEnded: The other side is gone.
        Exception: Any error of unpickling.
    """
    buffers = []
    try:
        header, sizes = pickle.loads(connection.recv_bytes())
        for size in sizes:
            buffer = np.empty(size, np.uint8)
            if size:
                connection.recv_bytes_into(buffer)
            buffers.append(buffer)
    except (EOFError, OSError):
        raise PipeEnded from None
    return pickle.loads(header, buffers=buffers)


class Renewal:
    """A message instead of an argument: use this work from here on, with these settings and custom objects."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.settings = config.get_state()
        self.custom_objects = dict(registry.get_custom_objects())


class RemoteTraceback(Exception):
    """The cause of an error from a worker process: the traceback there, as text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return f"in the worker process:\n{self.text}"


def run_fresh(file: int) -> None:
    """Serve the pipe with this file descriptor, in a fresh interpreter. The work is received through it too."""
    _serve(Connection(file), None)


def run_forked(theirs: Connection, ours: Connection, work: Callable[[Any], Any]) -> None:
    """Serve the pipe `theirs` in a forked child, which has the work in its memory."""
    ours.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve(theirs, work)


def _serve(connection: Connection, work: Callable[[Any], Any] | None) -> None:
    # A process that the work starts must not keep the pipe open: its end shows the parent that this process has ended.
    os.set_inheritable(connection.fileno(), False)
    os.register_at_fork(after_in_child=connection.close)
    failure: BaseException | None = None
    try:
        while True:
            try:
                message = receive(connection)
            except PipeEnded:
                raise
            except Exception as error:  # the work cannot be unpickled
                failure = error
                continue
            if isinstance(message, Renewal):
                work, failure = message.work, None
                config.set_state(message.settings)
                registry.get_custom_objects().update(message.custom_objects)
                continue
            _reply(connection, work, message, failure)
            del message
    except PipeEnded:
        return  # the parent has ended or closed the pipe


def _reply(connection: Connection, work: Any, argument: Any, failure: BaseException | None) -> None:
    try:
        if failure is not None:
            raise failure
        reply = Pickled((work(argument), None, ""))
    except BaseException as error:
        reply = Pickled((None, _portable(error), traceback.format_exc()))
    reply.send(connection)


def _portable(error: BaseException) -> BaseException:
    """The error itself if it can be pickled, else a RuntimeError with its type and message."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        pass
    return RuntimeError(f"{type(error).__qualname__}: {error}")
