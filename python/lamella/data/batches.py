"""Batches: for all kinds of data, the loop sees an iterator of (inputs, targets, weights, size) for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.data.rows import Readable, part, whole

# Inputs, targets, weights (None if all samples have the same weight) and the number of samples.
Batch: TypeAlias = tuple[list[Array], list[Array], "list[Array | None]", int]
Shuffle: TypeAlias = 'bool | Literal["batch"]'

# Rows of several batches are gathered at once, then sliced: a slice costs 0.2 us, a gather at least 1 us. The size keeps a
# block in a core's L2 cache.
_BLOCK_BYTES = 1 << 18


class Order(Protocol):
    """Makes the random generator for the order of samples in an epoch.

    It knows the current epoch, so batches need not count epochs. With `ahead`, the generator is for a pass through the data
    that begins so many steps after the start of the epoch.
    """

    def __call__(self, ahead: int = 0) -> np.random.Generator: ...


def check_shuffle(shuffle: object) -> None:
    """Raise ValueError for anything except True, False and "batch"."""
    if isinstance(shuffle, np.ndarray) or shuffle not in (True, False, "batch"):
        raise ValueError(f'expected shuffle to be True, False or "batch", got {shuffle!r}')


class Batches:
    """The data of a loop.

    Attributes:
        steps: Number of batches in an epoch; None if it is not known.
        samples: Number of samples in an epoch; None if it is not known.
        exhausted: Whether the data has ended.
        skipped: Number of samples of the last epoch that were skipped because they could not be read; None if such a sample
            is an error.
    """

    steps: int | None
    samples: int | None
    exhausted = False
    skipped: int | None = None

    @property
    def known_samples(self) -> int | None:
        """The number of samples that callbacks see; None if it is not known."""
        return self.samples

    def epoch(self, index: int) -> Iterator[Batch]:
        """The batches of one epoch, in order."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """Called after each epoch, complete or ended by stop_training."""

    def close(self) -> None:
        """Called when no further epoch follows."""


class Data(NamedTuple):
    """Standardized arrays, or Rows instead: floatx (labels int64), C-contiguous, all of the same length."""

    inputs: Sequence[Readable]
    targets: Sequence[Readable]
    weights: Sequence[Readable | None]

    @property
    def samples(self) -> int:
        """The number of samples; 0 where nothing is fed to a model of its own tensors."""
        listed = self.inputs or self.targets or [w for w in self.weights if w is not None]
        return len(listed[0]) if listed else 0

    def split(self, fraction: float) -> tuple[Data, Data]:
        """Split off the last samples.

        Args:
            fraction: Fraction of the samples, n * fraction; the split is at int(n * (1 - fraction)).

        Returns:
            (first samples, last samples).

        Raises:
            ValueError: One of the two is empty.
        """
        at = int(self.samples * (1.0 - fraction))
        if at == 0 or at == self.samples:
            raise ValueError(f"validation_split={fraction} leaves no samples for one side of {self.samples} samples")
        return self.part(slice(0, at)), self.part(slice(at, None))

    def part(self, rows: slice) -> Data:
        """Consecutive samples, not copied."""
        cut = [None if w is None else part(w, rows) for w in self.weights]
        return Data([part(x, rows) for x in self.inputs], [part(y, rows) for y in self.targets], cut)

    def read(self) -> tuple[list[Array], list[Array], list[Array | None]]:
        """Inputs, targets and weights as arrays; Rows are read."""
        weights = [None if w is None else whole(w) for w in self.weights]
        return [whole(x) for x in self.inputs], [whole(y) for y in self.targets], weights


class ArrayBatches(Batches):
    """Arrays, cut into batches. The last batch may be smaller.

    Args:
        data: The arrays.
        batch_size: Number of samples in a batch.
        shuffle: True for a new order of samples in each epoch; "batch" for a new order of complete batches, with the smaller
            batch last.
        order: Makes the random generators; needed to shuffle.

    Source: Keras 2.2.5, which shuffles the order of the last epoch again. Here the order of an epoch does not depend on
    the epochs before.
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
        # zip and map instead of Python code for each batch: a Python frame for each array would cost as much as a good part of
        # a small model's step.
        starts = range(0, samples, self.batch_size)
        rows = [slice(start, min(start + self.batch_size, samples)) for start in starts]
        sizes = [cut.stop - cut.start for cut in rows]
        inputs, targets, weights = (_columns(arrays, rows) for arrays in data)
        return zip(inputs, targets, weights, sizes)


def _columns(arrays: Sequence[Readable | None], rows: Sequence[slice]) -> Iterator[list[Any]]:
    """For each slice a list with these rows of each array, None for None."""
    cuts = [repeat(None) if a is None else map(a.__getitem__, rows) for a in arrays]
    return map(list, zip(*cuts)) if cuts else repeat([])


class WholeBatches(Batches):
    """`steps` batches that are all samples each: fit(steps_per_epoch=n) on arrays uses all samples in each step, as in Keras.

    Rows are read completely. Without arrays, each batch counts as one sample in means.

    Args:
        data: The arrays.
        steps: Number of batches in an epoch.
    """

    steps: int

    def __init__(self, data: Data, steps: int) -> None:
        self.data = data
        self.steps = steps
        self.samples = None

    @property
    def known_samples(self) -> int | None:
        return self.data.samples or None

    def epoch(self, index: int) -> Iterator[Batch]:
        inputs, targets, weights = self.data.read()
        for _ in range(self.steps):
            yield inputs, targets, weights, self.data.samples or 1
