"""Batches: whatever the data is, the loop sees an iterator of (inputs, targets, weights, size) for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.data.rows import Readable, part, whole

# Inputs, targets, weights (None where all samples count the same) and the number of samples.
Batch: TypeAlias = tuple[list[Array], list[Array], "list[Array | None]", int]
Shuffle: TypeAlias = 'bool | Literal["batch"]'

# Rows are gathered some batches at a time, then sliced: a slice costs 0.2 us, a gather 1 us and more. The block stays
# within a core's L2 cache.
_BLOCK_BYTES = 1 << 18


class Order(Protocol):
    """Makes the generator of the order of the epoch that begins, or of a pass through the data that begins `ahead` steps
    after it. It knows the epoch; batches do not count epochs.
    """

    def __call__(self, ahead: int = 0) -> np.random.Generator: ...


def check_shuffle(shuffle: object) -> None:
    """Raises ValueError for anything but True, False and "batch"."""
    if isinstance(shuffle, np.ndarray) or shuffle not in (True, False, "batch"):
        raise ValueError(f'expected shuffle to be True, False or "batch", got {shuffle!r}')


class Batches:
    """What the loop feeds on.

    Attributes:
        steps: Batches an epoch; None: as many as there are.
        samples: Of an epoch, None if not known.
        exhausted: Nothing comes any more.
        skipped: Samples of the last epoch that were left out as they could not be read; None where that is an error.
    """

    steps: int | None
    samples: int | None
    exhausted = False
    skipped: int | None = None

    def epoch(self, index: int) -> Iterator[Batch]:
        """The batches of one epoch, in order."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """The epoch is over, whole or cut short by stop_training."""

    def close(self) -> None:
        """No further epoch comes."""


class Data(NamedTuple):
    """Standardized arrays, or Rows in their place: floatx (labels int64), C-contiguous, all of one length."""

    inputs: Sequence[Readable]
    targets: Sequence[Readable]
    weights: Sequence[Readable | None]

    @property
    def samples(self) -> int:
        return len(self.inputs[0] if self.inputs else self.targets[0])

    def split(self, fraction: float) -> tuple[Data, Data]:
        """The first samples and the tail from int(n * (1 - fraction)) on. Raises ValueError if one of them is empty."""
        at = int(self.samples * (1.0 - fraction))
        if at == 0 or at == self.samples:
            raise ValueError(f"validation_split={fraction} leaves no samples for one side of {self.samples} samples")
        return self.part(slice(0, at)), self.part(slice(at, None))

    def part(self, rows: slice) -> Data:
        cut = [None if w is None else part(w, rows) for w in self.weights]
        return Data([part(x, rows) for x in self.inputs], [part(y, rows) for y in self.targets], cut)

    def read(self) -> tuple[list[Array], list[Array], list[Array | None]]:
        """Inputs, targets, weights: arrays all."""
        weights = [None if w is None else whole(w) for w in self.weights]
        return [whole(x) for x in self.inputs], [whole(y) for y in self.targets], weights


class ArrayBatches(Batches):
    """Arrays cut into batches; the last one may be smaller.

    Args:
        shuffle: True: a new order each epoch; "batch": whole batches change places and the remainder stays last.
        order: Needed to shuffle.

    Deviation:  Keras shuffles the last epoch's order, so that it depends on all epochs before; here each stands alone.
    """

    def __init__(self, data: Data, batch_size: int, shuffle: Shuffle = False, order: Order | None = None) -> None:
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.order = order
        self.samples: int = data.samples
        self.steps: int = -(-self.samples // batch_size)

    def epoch(self, index: int) -> Iterator[Batch]:
        if not self.shuffle or self.order is None:
            return self._cut(self.data, self.samples)
        rows = np.arange(self.samples)
        if self.shuffle == "batch":
            whole = self.samples - self.samples % self.batch_size
            self.order().shuffle(rows[:whole].reshape(-1, self.batch_size), axis=0)
        else:
            self.order().shuffle(rows)
        return self._gathered(rows)

    def _gathered(self, order: Array) -> Iterator[Batch]:
        arrays = [*self.data.inputs, *self.data.targets, *(w for w in self.data.weights if w is not None)]
        row_bytes = sum(a.nbytes for a in arrays) // self.samples
        rows = max(1, _BLOCK_BYTES // max(1, row_bytes * self.batch_size)) * self.batch_size
        for start in range(0, self.samples, rows):
            chosen = order[start : start + rows]
            block = Data(
                [in_pool(x.take, chosen, axis=0) for x in self.data.inputs],
                [in_pool(y.take, chosen, axis=0) for y in self.data.targets],
                [None if w is None else in_pool(w.take, chosen, axis=0) for w in self.data.weights],
            )
            yield from self._cut(block, len(chosen))

    def _cut(self, data: Data, samples: int) -> Iterator[Batch]:
        # Iterators of C's all the way: a small model's step is not much longer than a frame of Python for each array.
        starts = range(0, samples, self.batch_size)
        rows = [slice(start, min(start + self.batch_size, samples)) for start in starts]
        sizes = [cut.stop - cut.start for cut in rows]
        inputs, targets, weights = (_columns(arrays, rows) for arrays in data)
        return zip(inputs, targets, weights, sizes)


def _columns(arrays: Sequence[Readable | None], rows: Sequence[slice]) -> Iterator[list[Any]]:
    """For each of `rows` a list of these rows of each array, None for None."""
    cuts = [repeat(None) if a is None else map(a.__getitem__, rows) for a in arrays]
    return map(list, zip(*cuts)) if cuts else repeat([])


class WholeBatches(Batches):
    """The same arrays again and again: fit(steps_per_epoch=n) on arrays takes each step on all of them, as Keras does.

    So Rows are read whole.
    """

    steps: int

    def __init__(self, data: Data, steps: int) -> None:
        self.data = data
        self.steps = steps
        self.samples = None

    def epoch(self, index: int) -> Iterator[Batch]:
        inputs, targets, weights = self.data.read()
        for _ in range(self.steps):
            yield inputs, targets, weights, self.data.samples
