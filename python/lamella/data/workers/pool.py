"""WorkerPool: the workers that prepare the batches of one Sequence or generator."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamella.core.warn import warn
from lamella.data.sequence import is_sequence, named, within_pass
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.threads import GRACE_SECONDS, Exhausted, Results, Threads, Work

if TYPE_CHECKING:
    from lamella.data.workers.processes import Process


class Item(NamedTuple):
    """A batch to prepare.

    Attributes:
        place: Its index. The name `index` is taken by a method of tuple.
        seed: Seed of the global random numbers of a worker process for this batch.
        pass_number: The result of `current_pass` while it is prepared.
    """

    place: int
    seed: int
    pass_number: int | None = None


class ItemOf:
    """Work on a Sequence, in a thread. An item that raises StopIteration is an error: only generators end with it."""

    def __init__(self, sequence: Any) -> None:
        self.sequence = sequence

    def __call__(self, item: Item) -> Any:
        try:
            return within_pass(item.pass_number, self.sequence.__getitem__, item.place)
        except StopIteration as error:
            raise RuntimeError(f"the {named(self.sequence)}: the item at index {item.place} raised StopIteration") from error


class SeededItemOf(ItemOf):
    """Work on a Sequence in a process. NumPy's and Python's global random numbers begin anew for each batch; otherwise
    forked workers would all draw the same ones, and which batch gets which would be left to chance.
    """

    def __call__(self, item: Item) -> Any:
        np.random.seed(item.seed)
        python_random.seed(item.seed)
        return super().__call__(item)


class NextOf:
    """Work on a generator or iterator: its next item. `seed` seeds NumPy before the first item."""

    def __init__(self, source: Iterator[Any], seed: int | None = None) -> None:
        self.source = source
        self.seed = seed

    def __call__(self, _: object) -> Any:
        if self.seed is not None:
            np.random.seed(self.seed)
            self.seed = None
        try:
            return next(self.source)
        except StopIteration:
            raise Exhausted from None


def one_pass(length: int, generator: np.random.Generator, *, shuffle: bool, pass_number: int | None = None) -> list[Item]:
    """The items for one pass through a Sequence.

    Args:
        length: Number of batches.
        generator: Draws the order and the seeds of the items.
        shuffle: Whether to shuffle the order.
        pass_number: See `current_pass`.
    """
    indices = np.arange(length)
    if shuffle:
        generator.shuffle(indices)
    seeds = generator.integers(2**32, size=length).tolist()
    return [Item(place, seed, pass_number) for place, seed in zip(indices.tolist(), seeds)]


class WorkerPool:
    """Threads, or processes with a thread for each, that run until `stop`.

    Only one worker draws from a generator, also if `workers` is larger: several would draw in no fixed order, or each process
    would have its own copy.

    Args:
        source: A Sequence or an iterator.
        options: The workers' options.
        random_seed: Seed of NumPy in the process of a generator.

    Raises:
        TypeError: As in `WorkerOptions.check`.
        ValueError: As in `WorkerOptions.check`.
    """

    def __init__(self, source: Any, options: WorkerOptions, random_seed: int | None = None) -> None:
        options.check()
        timeout = None if options.timeout is None else float(options.timeout)  # it may be a number of NumPy
        self.source = source
        self._indexed = is_sequence(source)
        self._processes: list[Process] = []
        self._forks = False
        main: Work = ItemOf(source) if self._indexed else NextOf(source)
        works: Sequence[Work] = [main] * (options.workers if self._indexed else min(options.workers, 1))
        if options.use_multiprocessing and options.workers:
            if not self._indexed and options.workers > 1:
                warn(
                    "Using a generator with `use_multiprocessing=True` and multiple workers may duplicate your data, so "
                    "one worker draws from it. Please consider using the `keras.utils.Sequence` class."
                )
            # Imported here: most programs start no processes.
            from lamella.data.workers.processes import Process, pickled_work

            work: Work = SeededItemOf(source) if self._indexed else NextOf(source, random_seed)
            pickled = pickled_work(work)
            self._forks = pickled is None
            try:
                for _ in works:
                    self._processes.append(Process(work, pickled))
                for process in self._processes:
                    process.send_work()
                self._threads = Threads(self._processes, main, options.max_queue_size, timeout)
            except BaseException:  # the threads, if there are any, have ended
                self._kill()
                self._close()
                raise
        else:
            self._threads = Threads(works, main, options.max_queue_size, timeout)

    def results(self, arguments: Iterable[Any]) -> Results:
        """The results for `arguments`, in order.

        Args:
            arguments: Items of a Sequence. For a generator, any value for each item that is drawn.
        """
        return self._threads.results(arguments)

    def renew(self) -> None:
        """Give a changed Sequence to the worker processes. No batch may be in preparation.

        Its pickle shows whether it has changed. If it cannot be pickled or is large, the processes are forked again.
        """
        if self._indexed and self._processes:
            from lamella.data.workers.processes import pickled_work

            work = SeededItemOf(self.source)
            pickled = None if self._forks else pickled_work(work)
            for process in self._processes:
                process.renew(work, pickled)

    @property
    def alive(self) -> int:
        """The number of workers that run."""
        return self._threads.alive

    def stop(self, timeout: float | None = GRACE_SECONDS) -> None:
        """End the workers: processes immediately, threads after their current batch.

        Args:
            timeout: Seconds to wait for the threads; None waits without limit.
        """
        self._threads.dismiss()
        self._kill()
        self._threads.join(timeout)
        if not self._threads.alive:  # else a pipe is closed when its thread has ended, with the last reference to it
            self._close()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _close(self) -> None:
        for process in self._processes:
            process.close()
