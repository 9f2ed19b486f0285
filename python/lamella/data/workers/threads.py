"""Threads: workers do tasks ahead of their time; the results come in the order of the tasks, however many workers there are.

A worker is a thread with a callable of its own. That callable may hand the task on to a process (`data/workers/processes.py`), so
order, bounds, errors and the end are the same for threads and processes.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from time import monotonic, sleep
from typing import Any

Work = Callable[[Any], Any]

# More than an idle worker or a killed process needs to end. A thread inside the user's own code may need longer; it is not
# waited for, and ends with the batch that it prepares.
GRACE_SECONDS = 1.0

# How long an idle thread waits until it looks whether anybody is left who could give it a task: Ctrl-C may have cut off
# whoever was to dismiss it.
_IDLE_SECONDS = 1.0


class Exhausted(Exception):
    """Raised by a task that finds nothing left; ends the results."""


class NotInTime(Exception):
    """Raised to who waits for a result that does not come; not a TimeoutError, which the work may raise itself."""


class Task:
    """An argument, and some time later what became of it."""

    __slots__ = ("_argument", "_done", "_error", "_value")

    def __init__(self, argument: Any) -> None:
        self._argument = argument
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self, work: Work) -> None:
        try:
            self._value = work(self._argument)
        except BaseException as error:  # also SystemExit: whoever waits must hear of it
            self._error = error
        self._done.set()

    def result(self, timeout: float | None = None) -> Any:
        """Waits. Raises the very exception of the work, with its traceback; NotInTime after `timeout` seconds."""
        if not self._done.wait(timeout):
            raise NotInTime
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            del self  # the traceback holds this frame, and the frame would hold the error


class Results:
    """Iterator over what became of the arguments, in their order; the next `ahead` are worked on meanwhile.

    Ends early where a task raises Exhausted; raises what a task raised.

    Args:
        start: Hands a task to a worker; None: each is done when it is asked for, by `main`.
        timeout: Seconds to wait for one before NotInTime is raised; None: for ever.

    Attributes:
        queue: The tasks that were started and not yet asked for.
    """

    def __init__(
        self,
        arguments: Iterable[Any],
        start: Callable[[Task], None] | None,
        main: Work,
        ahead: int,
        timeout: float | None = None,
    ) -> None:
        self.queue: queue.Queue[Task] = queue.Queue(ahead)
        self._arguments = iter(arguments)
        self._start = start
        self._main = main
        self._timeout = timeout
        self._fill()

    def _fill(self) -> None:
        if self._start is None:
            return
        while not self.queue.full():
            try:
                task = Task(next(self._arguments))
            except StopIteration:
                return
            self.queue.put(task)
            self._start(task)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            if self._start is None:
                return self._main(next(self._arguments))
            try:
                task = self.queue.get_nowait()
            except queue.Empty:
                raise StopIteration from None
            self._fill()
            return task.result(self._timeout)
        except Exhausted:
            raise StopIteration from None


def _serve(tasks: queue.SimpleQueue[Task | None], stopping: threading.Event, workers: weakref.ref[Threads], work: Work) -> None:
    """What a thread does. It holds no Threads, so that it can tell when nobody does: then it ends, too."""

    def unless_stopped(argument: Any) -> Any:
        try:
            if not stopping.is_set():
                return work(argument)
        except Exception:
            if not stopping.is_set():  # else it may be a process that was ended
                raise
        raise Exhausted

    while True:
        try:
            task = tasks.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            if workers() is None:
                return
            continue
        # After the end, too, tasks get their result: somebody may wait for it in another thread.
        if task is None:
            return
        task.run(unless_stopped)
        del task  # or an idle worker would hold its last batch


class Threads:
    """One thread for each of `works`; without any the tasks are done by whoever asks for the results.

    Args:
        works: callables, each used by one thread only.
        main: Does the tasks where there are no works.
        ahead: How many results may wait, so that memory stays bounded.
        timeout: See Results.
    """

    def __init__(self, works: Sequence[Work], main: Work, ahead: int, timeout: float | None = None) -> None:
        self.ahead = ahead
        self.timeout = timeout
        self._main = main
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        serving = self._tasks, self._stopping, weakref.ref(self)
        self._threads = [
            # In a copy of the caller's context, so that its custom objects are known there.
            threading.Thread(target=copy_context().run, args=(_serve, *serving, work), name=f"lamella-worker-{i}", daemon=True)
            for i, work in enumerate(works)
        ]
        thread = None
        try:
            for thread in self._threads:
                thread.start()
        except BaseException as error:  # Ctrl-C, or no more threads to be had
            self.dismiss()
            if isinstance(error, KeyboardInterrupt):  # it may have come before `thread`, which runs, could say so
                deadline = monotonic() + 0.1
                while thread is not None and thread.ident is None and monotonic() < deadline:
                    sleep(0.001)
            for thread in self._threads:
                if thread.is_alive():
                    thread.join(GRACE_SECONDS)
            raise

    def results(self, arguments: Iterable[Any]) -> Results:
        """The results for `arguments`; work on the first ones begins at once."""
        return Results(arguments, self._start if self._threads else None, self._main, self.ahead, self.timeout)

    def _start(self, task: Task) -> None:
        self._tasks.put(task)

    def dismiss(self) -> None:
        """Tell the threads to end after what they do now; the results end there, too."""
        self._stopping.set()
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, timeout: float | None = GRACE_SECONDS) -> None:
        """Wait until they have, at most `timeout` seconds in all."""
        deadline = None if timeout is None else monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - monotonic()))

    @property
    def alive(self) -> int:
        """How many threads still run."""
        return sum(thread.is_alive() for thread in self._threads)
