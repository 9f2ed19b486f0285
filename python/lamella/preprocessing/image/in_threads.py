"""Calls a function for each item, on several threads. It is for functions that release the interpreter's lock (the GIL).

`concurrent.futures.ThreadPoolExecutor.map` takes 11 us more for each item, because each has a Future with a lock (128 items,
2 and 4 threads, CPU time, loaded); a small JPEG is decoded in 30 to 60 us. An executor that is given one loop for each thread
would replace only the lines that start and join threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from lamella import _kernels

T = TypeVar("T")
R = TypeVar("R")

# The threads that are in `in_threads`, without those that they have started: workers that prepare several batches at the same
# time share the CPUs. In a child process it may have threads that the child does not have; then fewer are started.
_callers: set[int] = set()


def in_threads(begin: Callable[[], Callable[[T], R]], items: Sequence[T], most: int) -> list[R]:
    """[function(item) for item in items], where each thread has its own function.

    All threads together are at most as many as the kernels may use. The started ones have ended when the call returns.

    Args:
        begin: Returns the function of one thread. The function must return its errors instead of raising them.
        items: The items. Which thread gets which is left to chance.
        most: The largest number of threads, the caller's included. With 1 or less none is started.
    """
    caller = threading.get_ident()
    _callers.add(caller)
    try:
        count = min(most, len(items), _kernels.num_threads() // len(_callers))
        if count <= 1:
            return list(map(begin(), items))
        return _mapped(begin, items, count)
    finally:
        _callers.discard(caller)


def _mapped(begin: Callable[[], Callable[[T], R]], items: Sequence[T], count: int) -> list[R]:
    waiting = deque(enumerate(items))
    results: dict[int, R] = {}

    def work() -> None:
        function = begin()
        while waiting:
            try:
                place, item = waiting.popleft()
            except IndexError:  # another thread has taken the last one
                return
            results[place] = function(item)

    started: list[threading.Thread] = []
    try:
        for i in range(1, count):
            thread = threading.Thread(target=work, name=f"lamella-decoder-{i}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads
                break
            started.append(thread)
        work()
    finally:
        waiting.clear()  # after Ctrl-C the others end with their current items
        for thread in started:
            thread.join()
    return [results[place] for place in range(len(items))]
