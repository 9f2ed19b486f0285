"""The worker's side of `data/workers/processes.py`, and how both talk: pickles, with arrays beside them, not copied into them."""

from __future__ import annotations

import hashlib
import io
import pickle
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from lamella.core import config, registry
from lamella.core.pickling import imported_only


class PipeEnded(Exception):
    """There is no other side any more. No EOFError or OSError, which a user's work and objects may raise as well."""


class Pickled:
    """An object's pickle, whose large buffers are still the object's own."""

    def __init__(self, obj: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        header = io.BytesIO()
        pickler = pickle.Pickler(header, protocol=5, buffer_callback=buffers.append)
        # The worker may not know the names of local classes and functions.
        pickler.dispatch_table = imported_only()
        pickler.dump(obj)
        self.header = header.getvalue()
        self.buffers = [memoryview(buffer.raw()) for buffer in buffers]

    def digest(self) -> bytes:
        """Equal for equal contents."""
        digest = hashlib.blake2b(self.header)
        for buffer in self.buffers:
            digest.update(buffer)
        return digest.digest()

    def send(self, connection: Connection) -> None:
        """Raises PipeEnded."""
        # Not connection.send: if a thread is gone amid it, CPython 3.13 complains of the buffer that send made.
        sizes = pickle.dumps((self.header, [buffer.nbytes for buffer in self.buffers]))
        try:
            connection.send_bytes(sizes)
            for buffer in self.buffers:
                if buffer.nbytes:
                    connection.send_bytes(buffer)
        except (EOFError, OSError):
            raise PipeEnded from None


def receive(connection: Connection) -> Any:
    """What the other side sent; arrays are writable. Raises PipeEnded, or what unpickling raises."""
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
    """In the place of an argument: do this work from now on, with the settings and custom objects of now."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.settings = config.get_state()
        self.custom_objects = dict(registry.get_custom_objects())


class RemoteTraceback(Exception):
    """The cause of an error that came from a worker process: where it was raised there, as text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return f"in the worker process:\n{self.text}"


def run_fresh(file: int) -> None:
    """Serve the pipe with this file descriptor; the work comes through it, too."""
    _serve(Connection(file), None)


def run_forked(theirs: Connection, ours: Connection, work: Callable[[Any], Any]) -> None:
    """Serve `theirs` in a child that was forked with the work in its memory."""
    ours.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve(theirs, work)


def _serve(connection: Connection, work: Callable[[Any], Any] | None) -> None:
    failure: BaseException | None = None
    try:
        while True:
            try:
                message = receive(connection)
            except PipeEnded:
                raise
            except Exception as error:  # the work does not unpickle here
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
        return  # the owner is gone, or wants no more


def _reply(connection: Connection, work: Any, argument: Any, failure: BaseException | None) -> None:
    try:
        if failure is not None:
            raise failure
        reply = Pickled((work(argument), None, ""))
    except BaseException as error:
        reply = Pickled((None, _portable(error), traceback.format_exc()))
    reply.send(connection)


def _portable(error: BaseException) -> BaseException:
    """The error itself if it survives the way, else one that says what it was."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        pass
    return RuntimeError(f"{type(error).__qualname__}: {error}")
