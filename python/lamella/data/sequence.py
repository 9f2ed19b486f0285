"""Sequence: batches by index. What any number of workers may prepare at the same time, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lamella.core.checks import checked_count


class Sequence:
    """Base of data that hands out batch after batch by index: (x, y) or (x, y, sample_weight), or x alone to predict.

    `__getitem__` may run in several threads or processes at once. Where it draws random numbers, key them by the index
    (and by an epoch that `on_epoch_end` counts): then they do not depend on who prepares the batch, and when.
    Source:  Keras 2.2.5. What has the same three methods counts as a Sequence, too.
    """

    use_sequence_api = True

    def __getitem__(self, index: int) -> Any:
        """The batch at `index`, 0 <= index < len(self)."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError

    def on_epoch_end(self) -> None:
        """Called in the main thread after each epoch of training, before the next one's batches are asked for.

        Deviation:  Keras calls it from a thread of its own, after len(self) batches.
        """

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, once."""
        for index in range(len(self)):
            yield self[index]


def is_sequence(x: Any) -> bool:
    """A Sequence, or what behaves like one: batches by index, a length, a hook after the epoch."""
    return all(hasattr(x, name) for name in ("__getitem__", "__len__", "on_epoch_end"))


def is_generated(x: Any) -> bool:
    """Whether x hands out batches, and is no data itself."""
    return is_sequence(x) or hasattr(x, "__next__")


class Hiring(NamedTuple):
    """fit's arguments of these names: 0 workers prepare each batch when it is asked for, in that thread; at most
    `max_queue_size` batches wait.
    """

    workers: int = 1
    max_queue_size: int = 10
    use_multiprocessing: bool = False

    def check(self) -> None:
        """Raises TypeError, ValueError for fewer than 0 workers or a queue below 1."""
        checked_count("workers", self.workers, least=0)
        checked_count("max_queue_size", self.max_queue_size)
