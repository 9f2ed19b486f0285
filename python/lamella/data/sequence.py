"""Sequence: batches by index. What any number of workers may prepare at the same time, in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from lamella.core.atomic import Scope


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


class _Pass(threading.local):
    number: int | None = None


_pass = _Pass()


def current_pass() -> int | None:
    """What random numbers of a batch may be keyed by while it is prepared: a number of the pass through the Sequence.

    It depends on no worker, and is the same after a resume.

    Returns:
        In training the step at which the pass begins, which no other pass has; in validation the count of passes before this
        one. None elsewhere: there nothing counts passes.
    """
    return _pass.number


def within_pass(number: int | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), with `current_pass()` as given, in this thread."""
    return Scope((_pass, "number", number)).run(function, *arguments)


class ReducedItem(tuple[Any, ...]):
    """(x, y) or (x, y, sample_weight) without the samples that could not be read.

    Attributes:
        samples: How many are left; a batch that has none is left out.
        skipped: Why each of the others is missing: a line that begins with the path of its file.
    """

    samples: int
    skipped: tuple[str, ...]

    @classmethod
    def of(cls, item: tuple[Any, ...], samples: int, skipped: tuple[str, ...]) -> ReducedItem:
        reduced = cls(item)
        reduced.samples, reduced.skipped = samples, skipped
        return reduced


def is_sequence(x: Any) -> bool:
    """A Sequence, or what behaves like one: batches by index, a length, a hook after the epoch."""
    return all(hasattr(x, name) for name in ("__getitem__", "__len__", "on_epoch_end"))


def is_generated(x: Any) -> bool:
    """Whether x hands out batches, and is no data itself."""
    return is_sequence(x) or hasattr(x, "__next__")


def check_source(method: str, source: Any) -> None:
    """Raises TypeError for what hands out no batches."""
    if not is_generated(source):
        raise TypeError(f"{method}: expected a generator, an iterator or a `keras.utils.Sequence`, got {type(source).__name__}")


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


def inputs_of_item(item: Any) -> Any:
    """x of (x, y) or (x, y, weights); else the item is x itself, a list of them for several inputs."""
    return split_item(item)[0] if isinstance(item, tuple) else item
