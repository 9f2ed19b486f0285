"""Threads: workers do tasks in advance. The results are in the order of the tasks, for any number of workers.

A worker is a thread with its own callable. The callable may send the task to a process (`data/workers/processes.py`), so
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

# An idle worker or a killed process needs less time to end. A thread inside the user's code may need more: it ends with its
# batch, and stop() does not wait for it.
GRACE_SECONDS = 1.0

# An idle thread checks at this interval whether its Threads still exist: Ctrl-C may have interrupted their dismissal.
_IDLE_SECONDS = 1.0


class Exhausted(Exception):
    """Raised by a task when the source has ended. It ends the results."""


class NotInTime(Exception):
    """Raised when a result takes too long. Not a TimeoutError, because the work may raise one itself."""


class Task:
    """An argument, and later its result or error."""

    __slots__ = ("_argument", "_done", "_error", "_value")

    def __init__(self, argument: Any) -> None:
        self._argument = argument
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def run(self, work: Work) -> None:
        """Call the work, and store the result or the error."""
        try:
            self._value = work(self._argument)
        except BaseException as error:  # also SystemExit: the waiting thread must get it
            self._error = error
        self._done.set()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Raises:
            NotInTime: There is no result after `timeout` seconds.
            BaseException: The exception of the work itself, with its traceback.
        """
        if not self._done.wait(timeout):
            raise NotInTime
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            del self  # the traceback holds this frame, and the frame would hold the error


class Results:
    """Iterator over the results of the arguments, in order. The next `ahead` tasks are prepared in advance.

    It ends early if a task raises Exhausted. It raises the error of a task.

    Args:
        arguments: One for each task.
        start: Gives a task to a worker; None to do each task with `main` when it is needed.
        main: The work without workers.
        ahead: Number of results that may wait.
        timeout: Seconds to wait for one result before NotInTime is raised; None waits without limit.

    Attributes:
        queue: The tasks that were started and are not yet returned.
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
    """The loop of a thread. It has only a weak reference to its Threads, and ends when these no longer exist."""

    def unless_stopped(argument: Any) -> Any:
        try:
            if not stopping.is_set():
                return work(argument)
        except Exception:
            if not stopping.is_set():  # otherwise the error may come from a process that was stopped
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
    """One thread for each of `works`. Without works, the thread that iterates over the results does the tasks.

    Args:
        works: Callables, each used by one thread only.
        main: Does the tasks if there are no works.
        ahead: Number of results that may wait, which bounds memory.
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
            # In a copy of the caller's context, which holds its custom objects.
            threading.Thread(target=copy_context().run, args=(_serve, *serving, work), name=f"lamella-worker-{i}", daemon=True)
            for i, work in enumerate(works)
        ]
        thread = None
        try:
            for thread in self._threads:
                thread.start()
        except BaseException as error:  # Ctrl-C, or the system gives no more threads
            self.dismiss()
            if isinstance(error, KeyboardInterrupt):  # `thread` may be running although its ident is not yet set
                deadline = monotonic() + 0.1
                while thread is not None and thread.ident is None and monotonic() < deadline:
                    sleep(0.001)
            for thread in self._threads:
                if thread.is_alive():
                    thread.join(GRACE_SECONDS)
            raise

    def results(self, arguments: Iterable[Any]) -> Results:
        """The results for `arguments`. Work on the first ones begins immediately."""
        return Results(arguments, self._start if self._threads else None, self._main, self.ahead, self.timeout)

    def _start(self, task: Task) -> None:
        self._tasks.put(task)

    def dismiss(self) -> None:
        """Let the threads end after their current tasks. The results end too."""
        self._stopping.set()
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, timeout: float | None = GRACE_SECONDS) -> None:
        """Wait until the threads have ended.

        Args:
            timeout: Seconds to wait for all together; None waits without limit.
        """
        deadline = None if timeout is None else monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - monotonic()))

    @property
    def alive(self) -> int:
        """The number of threads that run."""
        return sum(thread.is_alive() for thread in self._threads)
