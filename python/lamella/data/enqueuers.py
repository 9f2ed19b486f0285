"""OrderedEnqueuer and GeneratorEnqueuer: batches prepared in advance, for custom loops. Source: Keras 2.2.5."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterable, Iterator
from typing import Any

from lamella.core import random
from lamella.core.warn import warn
from lamella.data.sequence import checked_length
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool, one_pass
from lamella.data.workers.threads import GRACE_SECONDS, Results


class SequenceEnqueuer:
    """Base class of the enqueuers. Call start(), iterate over get(), then call stop().

    Args:
        sequence: The source of the batches.
        use_multiprocessing: Whether the workers are processes instead of threads.

    Source: Keras 2.2.5.
    """

    random_seed: int | None = None

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self._pool: WorkerPool | None = None
        self._results: Results | None = None

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Start workers, which prepare batches.

        Args:
            workers: Number of workers. With 0, get() prepares each batch itself.
            max_queue_size: Number of batches that may wait.
        """
        self.stop()
        arguments = self._arguments()
        self._pool = WorkerPool(
            self.sequence, WorkerOptions(workers, max_queue_size, self.use_multiprocessing), self.random_seed
        )
        self._results = self._pool.results(arguments)

    def _arguments(self) -> Iterable[Any]:
        raise NotImplementedError

    def is_running(self) -> bool:
        """Whether start() was called, and stop() was not called since."""
        return self._pool is not None

    @property
    def queue(self) -> queue.Queue[Any] | None:
        """The batches that are being prepared or wait; None unless running."""
        return None if self._results is None else self._results.queue

    def get(self) -> Iterator[Any]:
        """The batches, in order. Items that are None are skipped. An error in the source is raised here and stops the workers.

        Raises:
            RuntimeError: start() was not called.
        """
        if self._pool is None:
            raise RuntimeError(f"{type(self).__name__}: call start() before get()")
        return self._got(self._pool)

    def _got(self, pool: WorkerPool) -> Iterator[Any]:
        try:
            while self._pool is pool and self._results is not None:
                for item in self._results:
                    if item is not None:
                        yield item
                    if self._pool is not pool:
                        return
                self._results = self._next_results(pool)
        except Exception:
            self.stop(GRACE_SECONDS)  # another thread may never end: the error must come out
            raise

    def _next_results(self, pool: WorkerPool) -> Results | None:
        """The results that follow when the last ones have ended; None if nothing follows."""
        return None

    def stop(self, timeout: float | None = None) -> None:
        """Stop the workers. Batches that wait are lost.

        Args:
            timeout: Seconds to wait for threads; None waits until they have ended.
        """
        pool, self._pool, self._results = self._pool, None, None
        if pool is not None:
            pool.stop(timeout)


class OrderedEnqueuer(SequenceEnqueuer):
    """Gives the batches of a Sequence, pass after pass. Its on_epoch_end is called between passes, in the thread that iterates.

    Args:
        sequence: The Sequence.
        use_multiprocessing: Whether the workers are processes instead of threads.
        shuffle: Whether each pass has a new order. It does not depend on the workers.

    Source: Keras 2.2.5, which starts new workers in each pass, and calls `on_epoch_end` in another thread.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _arguments(self) -> list[Item]:
        length = checked_length(self.sequence)
        return one_pass(length, random.generator(what="shuffle"), shuffle=self.shuffle)

    def _next_results(self, pool: WorkerPool) -> Results:
        self.sequence.on_epoch_end()
        pool.renew()
        return pool.results(self._arguments())


class GeneratorEnqueuer(SequenceEnqueuer):
    """Gives the items of a generator or iterator until it ends. One worker draws them.

    Args:
        sequence: The generator or iterator.
        use_multiprocessing: Whether the worker is a process instead of a thread.
        wait_time: Not used, as in Keras.
        random_seed: Seed of NumPy's global random numbers in the worker process.

    Source: Keras 2.2.5, where several workers draw from a generator in no fixed order, or each process has its own copy.
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, wait_time: float | None = None,
        random_seed: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sequence, use_multiprocessing)
        if wait_time is not None:
            warn("`wait_time` is not used anymore.", DeprecationWarning)
        self.wait_time = wait_time
        self.random_seed = random_seed

    def _arguments(self) -> Iterable[Any]:
        return itertools.repeat(None)
