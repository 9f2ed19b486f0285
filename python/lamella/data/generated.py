"""Batches of a generator, an iterator or a Sequence, prepared in advance by workers."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from lamella.core.checks import checked_steps
from lamella.core.pool import in_pool
from lamella.core.random import Stream
from lamella.core.warn import warn
from lamella.data.batches import ArrayBatches, Batch, Batches, Data
from lamella.data.sequence import EXPECTED_ITEM, ReducedItem, checked_length, inputs_of_item, is_sequence, named, split_item
from lamella.data.workers.options import WorkerOptions
from lamella.data.workers.pool import Item, WorkerPool, one_pass
from lamella.data.workers.threads import NotInTime

# Makes checked arrays of one item of the generator.
Convert = Callable[[Any], Data]

# Warn only if waiting took more than half of the epoch and more than one second.
_MOST, _SECONDS = 0.5, 1.0

_END = object()


class GeneratedBatches(Batches):
    """`steps` batches in each epoch. A generator, and a Sequence with its passes, continues where the last epoch ended.

    An epoch takes exactly `steps` items; no item of the next epoch is requested in advance.

    Args:
        source: A generator, an iterator or a Sequence.
        steps: Batches in an epoch. None is the length of the Sequence at the beginning of each epoch.
        convert: Makes Data of an item.
        workers: Options of the workers. They start with the first epoch and run until close().
        stream: The random stream of the training, for the order of a Sequence's batches; None outside of training.
        shuffle: Whether to shuffle the order of a Sequence's batches.
        argument: The name of the user's argument for `steps`, for messages.

    Raises:
        ValueError: `steps` is None and source is not a Sequence; later, if a batch has no samples, an item is None, no sample of
            an epoch could be read, or source gives no batch at all.
        TimeoutError: While iterating, if a batch takes more than workers.timeout seconds.

    Source: Keras 2.2.5, which skips items that are None. This hides a missing `return`, and shifts the rows of
        predict_generator.
    """

    samples = None

    def __init__(
        self,
        source: Any,
        steps: int | None,
        convert: Convert,
        workers: WorkerOptions,
        stream: Stream | None = None,
        shuffle: bool = False,
        argument: str = "steps_per_epoch",
    ) -> None:
        if steps is None and not is_sequence(source):
            raise ValueError(
                f"`{argument}=None` is only valid for a generator based on the `keras.utils.Sequence` class. Please "
                f"specify `{argument}` or use the `keras.utils.Sequence` class."
            )
        workers.check()
        self.source = source
        self.convert = convert
        self.workers = workers
        self.stream = stream
        self.shuffle = shuffle
        self.steps: int = len(source) if steps is None else checked_steps(argument, steps)
        self.last_size = 0
        self.argument = argument
        self._counts_anew = steps is None
        self._pool: WorkerPool | None = None
        self._warned = False
        self._skipped: set[str] = set()  # samples that were warned about
        if is_sequence(source):
            checked_length(source)

    def epoch(self, index: int) -> Iterator[Batch]:
        if self._counts_anew:
            self.steps = len(self.source)
        self.skipped = None
        drawn, empty, waited, began = 0, 0, 0.0, perf_counter()
        items = self._items(index)
        while True:
            asked = perf_counter()
            try:
                item = next(items, _END)
            except NotInTime:
                raise TimeoutError(f"{self._where(drawn)} did not come within {self.workers.timeout} seconds") from None
            waited += perf_counter() - asked
            if item is _END:
                break
            drawn += 1
            if isinstance(item, ReducedItem):
                self._count(item.skipped)
                if not item.samples:
                    empty += 1
                    continue
            data = in_pool(self.convert, item)
            del item
            self.last_size = data.samples or 1  # a model of its own tensors may get no arrays
            yield *data.read(), self.last_size
        if empty and empty == drawn:
            raise ValueError(
                f"{self._who()}: no sample of this epoch could be read; {self.skipped} samples of {drawn} batches were skipped"
            )
        if drawn < self.steps:
            self._ended(drawn)
        self._warn_of_waiting(waited, perf_counter() - began)

    def _items(self, index: int) -> Iterator[Any]:
        """The items of one epoch."""
        if self._pool is None:
            self._pool = WorkerPool(self.source, self.workers)
        else:
            self._pool.renew()
        requested: deque[Item | None] = deque()

        def arguments() -> Iterator[Item | None]:
            for argument in self._arguments(index * self.steps):
                requested.append(argument)
                yield argument

        for drawn, item in enumerate(self._pool.results(arguments())):
            argument = requested.popleft()
            if item is None:
                which = "" if argument is None else f", the item at index {argument.place},"
                raise ValueError(f"{self._where(drawn)}{which} is None; {EXPECTED_ITEM}")
            yield item

    def _arguments(self, first: int) -> Iterator[Item | None]:
        """The workers' arguments for an epoch. `first`: number of its first batch, counted over all passes of a Sequence.

        They are made when they are needed: an epoch may be longer than the memory has room for their list.
        """
        if not is_sequence(self.source):
            return itertools.repeat(None, self.steps)
        length = checked_length(self.source)
        passes = (self._pass(number, number * length - first, length) for number in itertools.count(first // length))
        start = first % length
        return itertools.islice(itertools.chain.from_iterable(passes), start, start + self.steps)

    def _pass(self, number: int, ahead: int, length: int) -> list[Item]:
        """The items of pass `number` of this fit, which begins `ahead` steps after the start of this epoch."""
        # Outside of training there is no stream; the random numbers of a worker are the same each time.
        generator = np.random.Generator(np.random.Philox(0)) if self.stream is None else self.stream.order(ahead)
        return one_pass(length, generator, shuffle=self.shuffle, pass_number=self._key(number, ahead))

    def _key(self, number: int, ahead: int) -> int | None:
        """The number of a pass, see `current_pass`."""
        if self.stream is not None:
            return (self.stream.epoch + ahead) % 2**64
        return number if self.argument == "validation_steps" else None

    def _count(self, skipped: tuple[str, ...]) -> None:
        """Count samples whose files were skipped, and warn about each of them once."""
        self.skipped = (self.skipped or 0) + len(skipped)
        new = [line for line in skipped if line not in self._skipped]
        self._skipped.update(new)
        if new:
            warn(f"skipped {len(new)} of the samples of a batch: {'; '.join(new)}")

    def _where(self, drawn: int) -> str:
        return f"{self._who()}: batch {drawn + 1} of {self.steps}"

    def _who(self) -> str:
        role = "validation_data" if self.argument == "validation_steps" else "generator"
        return f"{role}, the {named(self.source)}"

    def _ended(self, drawn: int) -> None:
        validates = self.argument == "validation_steps"
        who = "validation_data: the generator" if validates else "the generator"
        # An exhausted generator ends training. Without any batch there is no mean to report.
        if not self.last_size or (not drawn and self.stream is None):
            raise ValueError(f"{who} gave no batch at all, expected {self.steps}")
        self.exhausted = True
        warn(
            f"{who} ended after {drawn} of {self.steps} batches; it should never end, or give "
            f"{self.argument}{'' if self.argument == 'steps' else ' * epochs'} batches"
        )

    def _warn_of_waiting(self, waited: float, total: float) -> None:
        if self.stream is None or self._warned or waited < max(_SECONDS, _MOST * total):
            return
        self._warned = True
        warn(
            f"input-bound: {waited / total:.0%} of the epoch's {total:.1f} s were spent waiting for batches; "
            "more workers or cheaper batches would help",
            RuntimeWarning,
        )

    def end_epoch(self) -> None:
        if is_sequence(self.source):
            self.source.on_epoch_end()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool = None


class LikeLastBatch(Batches):
    """Arrays, cut into batches of the size of the last training batch, as Keras validates when it trains on a generator."""

    def __init__(self, data: Data, training: GeneratedBatches) -> None:
        self.data = data
        self.training = training
        self.samples = data.samples
        self.steps = None

    def epoch(self, index: int) -> Iterator[Batch]:
        return ArrayBatches(self.data, self.training.last_size).epoch(index)


def first_of(source: Any, workers: WorkerOptions, *, with_targets: bool) -> tuple[Any, Any]:
    """The inputs of the first batch, which one thread draws, and a source that still begins with this batch.

    Args:
        source: A generator, an iterator or a Sequence.
        workers: Options of the workers. At most one thread is used.
        with_targets: Whether the items have targets, which are not needed to predict.

    Raises:
        ValueError: There is no batch, the first item is None, or targets are missing.
        TimeoutError: The batch takes more than workers.timeout seconds.
    """
    pool = WorkerPool(source, replace(workers, workers=min(workers.workers, 1), use_multiprocessing=False))
    try:
        for first in pool.results([Item(0, 0)]):
            if first is None:
                raise ValueError(f"the {named(source)}: the first item is None; {EXPECTED_ITEM}")
            x = split_item(first)[0] if with_targets else inputs_of_item(first)
            return x, source if is_sequence(source) else itertools.chain([first], source)
    except NotInTime:
        raise TimeoutError(f"the {named(source)}: the first batch did not come within {workers.timeout} seconds") from None
    finally:
        pool.stop()
    raise ValueError("the generator gave no batch at all")
