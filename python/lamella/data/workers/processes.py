"""A process that works for a thread: it receives an argument, and sends back the result or the error.

Work that can be pickled together with the custom objects is sent to a fresh interpreter, which has this process's settings
but none of its threads. Work that cannot be pickled, or that the script itself defines, would need the script to run again
there. For such work, and for work that is too large to be copied, the process is forked; kernels run serially in the child
(core/parallel.cpp). A child ends when its pipe is closed, so none runs longer than its parent.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from lamella.core import config
from lamella.data.workers.child import Pickled, PipeEnded, RemoteTraceback, Renewal, receive, run_forked
from lamella.data.workers.threads import GRACE_SECONDS, Work

# Bytes. Larger work is not sent: each process would have a copy of it, and get a new one after each epoch that changes it, if only
# the order of its rows. A fork shares the memory.
_LARGE = 1 << 27


class WorkerDiedError(RuntimeError):
    """A worker process ended during its work.

    Attributes:
        pid: Process id of the child.
        signal: The signal that killed it, or None.
        status: Its exit status, or None.
    """

    def __init__(self, pid: int, code: int | None) -> None:
        self.pid = pid
        self.signal = -code if code is not None and code < 0 else None
        self.status = code if code is not None and code >= 0 else None
        if self.signal is not None:
            hint = "; the system does so when memory runs out" if self.signal == signal.SIGKILL else ""
            end = f"was killed by signal {self.signal} ({signal.Signals(self.signal).name}){hint}"
        else:
            end = "closed its pipe" if code is None else f"exited with status {code}"
        super().__init__(f"worker process {pid} {end}")


class _Child(Protocol):
    """The part of Popen that both kinds of children have."""

    pid: int

    def wait(self, timeout: float) -> int | None: ...
    def kill(self) -> None: ...


class Process:
    """Does tasks in a child process, one at a time, for one thread that calls it.

    Args:
        work: A callable. Changes that it makes to itself stay in the child.
        pickled: The result of `pickled_work` for it. Several processes share one, because the work may be large.
    """

    _unsent: Pickled | None

    def __init__(self, work: Work, pickled: Pickled | None) -> None:
        self._begin(work, pickled)

    def send_work(self) -> None:
        """Give the work to the new child. The call waits until the child reads it, so all children are started first."""
        pickled, self._unsent = self._unsent, None
        if pickled is not None:
            self._talk(lambda: pickled.send(self._connection))

    def _begin(self, work: Work, pickled: Pickled | None) -> None:
        self._digest = None if pickled is None else pickled.digest
        self._connection, theirs = Pipe()
        fresh = pickled is not None and b"__main__" not in pickled.header
        try:
            self._child: _Child = _fresh(theirs) if fresh else _Forked(theirs, self._connection, work)
        finally:
            theirs.close()  # then only the child holds this end, and the pipe is closed with the child
        self._unsent = pickled if fresh else None  # a fork has the work in its memory

    def renew(self, work: Work, pickled: Pickled | None) -> None:
        """Let the child do other work from here on, with the arguments of the constructor. No task may be running.

        The work is sent if it differs from the last one. Without a pickle, the child is forked again.
        """
        if pickled is None or self._digest is None:
            self.kill()
            self.close()
            self._begin(work, pickled)
            self.send_work()
        elif pickled.digest != self._digest:
            self._digest = pickled.digest
            self._talk(lambda: pickled.send(self._connection))

    def __call__(self, argument: Any) -> Any:
        value, error, where = self._talk(lambda: self._request(argument))
        if error is not None:
            raise error from RemoteTraceback(where)
        return value

    def _request(self, argument: Any) -> Any:
        Pickled(argument).send(self._connection)
        return receive(self._connection)

    def _talk(self, talk: Callable[[], Any]) -> Any:
        try:
            return talk()
        except PipeEnded:
            raise WorkerDiedError(self._child.pid, self._child.wait(GRACE_SECONDS)) from None

    def kill(self) -> None:
        """Kill the child. Its current task is lost, and the thread that waits for it gets WorkerDiedError."""
        if self._connection.closed:
            return
        self._child.kill()
        # The system may be unable to end a child that waits for a broken disk. The thread does not wait for it either.
        with socket.socket(fileno=os.dup(self._connection.fileno())) as pipe, contextlib.suppress(OSError):
            pipe.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the pipe of a killed child. No thread may use it: the system gives the numbers of closed files to others."""
        self._child.wait(GRACE_SECONDS)
        self._connection.close()


class _Forked:
    """A fork of this process, as a `_Child`."""

    def __init__(self, theirs: Connection, ours: Connection, work: Work) -> None:
        self._process = get_context("fork").Process(target=run_forked, args=(theirs, ours, work), daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0

    def wait(self, timeout: float) -> int | None:
        self._process.join(timeout)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


class _Popen(subprocess.Popen[bytes]):
    def wait(self, timeout: float | None = None) -> Any:
        try:
            return super().wait(timeout)
        except subprocess.TimeoutExpired:
            return None


def _fresh(theirs: Connection) -> _Child:
    """A fresh interpreter that serves the pipe `theirs`. Ctrl-C does not reach it, and its kernels use one thread."""
    # Settings are set before the work is unpickled: modules that this imports may read them, and may import keras.
    alias = f"import lamella; lamella.install_as_keras({config.dialect()!r}); " if config.is_keras() else ""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from lamella.core import config; config.set_state({config.get_state()!r}); {alias}"
        f"from lamella.data.workers.child import run_fresh; run_fresh({theirs.fileno()})"
    )
    return _Popen(
        [sys.executable, "-c", code],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def pickled_work(work: Work) -> Pickled | None:
    """The pickle of the work, or None if it cannot be pickled or is large: then the processes are forked."""
    try:
        pickled = Pickled(Renewal(work))
    except (pickle.PicklingError, TypeError, AttributeError, NotImplementedError, RecursionError):
        return None
    return pickled if pickled.nbytes <= _LARGE else None
