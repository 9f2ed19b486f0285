"""OrderedEnqueuer, GeneratorEnqueuer: batches prepared ahead, for loops of one's own. Source: Keras 2.2.5."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterable, Iterator
from typing import Any

from lamella.core import random
from lamella.core.warn import warn
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool, one_pass
from lamella.data.workers.threads import Results


class SequenceEnqueuer:
    """Base of the two: start, then iterate over get(), then stop.

    Args:
        sequence: What hands out the batches.
        use_multiprocessing: Processes instead of threads.
    """

    random_seed: int | None = None

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence = sequence
        self.use_multiprocessing = use_multiprocessing
        self._pool: WorkerPool | None = None
        self._results: Results | None = None

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Workers begin to prepare batches, of which `max_queue_size` may wait. 0 workers: each when it is asked for."""
        self.stop()
        self._pool = WorkerPool(
            self.sequence, WorkerOptions(workers, max_queue_size, self.use_multiprocessing), self.random_seed
        )
        self._results = self._pool.results(self._arguments())

    def _arguments(self) -> Iterable[Any]:
        raise NotImplementedError

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._pool is not None

    @property
    def queue(self) -> queue.Queue[Any] | None:
        """What was begun and not yet asked for; None unless running."""
        return None if self._results is None else self._results.queue

    def get(self) -> Iterator[Any]:
        """The batches in order; None among them is left out. An error of the source comes out here, and stops the workers.

        Raises:
            RuntimeError: Before start.
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
            self.stop()
            raise

    def _next_results(self, pool: WorkerPool) -> Results | None:
        """What comes after the end of the last ones; None: nothing."""
        return None

    def stop(self, timeout: float | None = None) -> None:
        """End the workers; batches not asked for are lost. Waits `timeout` seconds, or until threads have ended."""
        pool, self._pool, self._results = self._pool, None, None
        if pool is not None:
            pool.stop(timeout)


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a Sequence, pass after pass; its on_epoch_end is called between them, in the thread that iterates.

    Args:
        shuffle: A new order in each pass, which does not depend on the workers.

    Deviations:  Keras starts new workers in each pass and has `on_epoch_end` and the order from a thread of its own.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _arguments(self) -> list[Item]:
        return one_pass(len(self.sequence), random.generator(what="shuffle"), shuffle=self.shuffle)

    def _next_results(self, pool: WorkerPool) -> Results:
        self.sequence.on_epoch_end()
        pool.renew()
        return pool.results(self._arguments())


class GeneratorEnqueuer(SequenceEnqueuer):
    """The items of a generator or iterator until it ends, drawn by one worker.

    Args:
        wait_time: Not used, as in Keras.
        random_seed: Of NumPy in the worker process.

    Deviation:  in Keras several workers race for a generator's items, or each process goes through a copy.
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
