"""Sequence: batches by index. What any number of workers may prepare at the same time, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from threading import TIMEOUT_MAX
from typing import Any, NamedTuple

from lamella.core.checks import checked_count


class Sequence:
    """Base of data that hands out batch after batch by index: (x, y) or (x, y, sample_weight), or x alone to predict.

    `__getitem__` may run in several threads or processes at once. Where it draws random numbers, key them by the index
    (and by an epoch that `on_epoch_end` counts): then they do not depend on who prepares the batch, and when.

    Source: Keras 2.2.5. What has the same three methods counts as a Sequence, too.
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


def named(source: Any) -> str:
    """What hands out batches, for messages: "generator slow", "Sequence Slow"."""
    kind = "Sequence" if is_sequence(source) else "generator"
    return f"{kind} {getattr(source, '__name__', None) or type(source).__name__}"


EXPECTED_ITEM = "expected a tuple `(x, y)` or `(x, y, sample_weight)`, or x alone to predict; is a `return` missing?"


def split_item(item: Any) -> tuple[Any, Any, Any]:
    """(x, y, weights or None). Raises ValueError for an item of another form."""
    if not isinstance(item, tuple) or len(item) not in (2, 3):
        raise ValueError(f"Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: {str(item)[:200]}")
    x, y = item[0], item[1]
    return x, y, item[2] if len(item) == 3 else None


class Hiring(NamedTuple):
    """fit's arguments of these names: 0 workers prepare each batch when it is asked for, in that thread; at most
    `max_queue_size` batches wait. timeout: the seconds to wait for a batch, None for ever.
    """

    workers: int = 1
    max_queue_size: int = 10
    use_multiprocessing: bool = False
    timeout: float | None = None

    def check(self) -> None:
        """Raises TypeError, ValueError for fewer than 0 workers, a queue below 1, or a timeout that cannot be kept."""
        checked_count("workers", self.workers, least=0)
        checked_count("max_queue_size", self.max_queue_size)
        if self.timeout is None:
            return
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, Real):
            raise TypeError(f"expected timeout to be a number of seconds or None, got {self.timeout!r}")
        if not 0 < self.timeout <= TIMEOUT_MAX:
            raise ValueError(f"expected timeout to be above 0 seconds and at most {TIMEOUT_MAX:.0f}, got {self.timeout!r}")
        if self.workers == 0:
            raise ValueError(
                f"timeout={self.timeout!r} needs a worker that can be left waiting; with workers=0 batches are prepared "
                "in the calling thread, which nothing interrupts"
            )
