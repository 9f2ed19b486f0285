"""Sequence: batches by index. Several workers can prepare them at the same time, in any order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from lamella.core.atomic import Scope


class Sequence:
    """Base class of data that gives batches by index: (x, y) or (x, y, sample_weight), or only x to predict.

    `__getitem__` may run in several threads or processes at the same time. If it draws random numbers, key them by the index
    (and by an epoch that `on_epoch_end` counts). Then they do not depend on the worker and the time.

    An object of another class with the same three methods also counts as a Sequence.

    Source: Keras 2.2.5.
    """

    use_sequence_api = True

    def __getitem__(self, index: int) -> Any:
        """The batch at `index`.

        Args:
            index: 0 <= index < len(self).
        """
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError

    def on_epoch_end(self) -> None:
        """Called in the main thread after each epoch of training, before batches of the next one are requested.

        Keras 2.2.5 calls it in another thread, after len(self) batches.
        """

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, once."""
        for index in range(len(self)):
            yield self[index]


class _Pass(threading.local):
    number: int | None = None


_pass = _Pass()


def current_pass() -> int | None:
    """The number of the pass through the Sequence for which a batch is prepared. Key the random numbers of a batch by it.

    It does not depend on the worker, and it is the same after a training is resumed.

    Returns:
        In training the step at which the pass begins, which is unique. In validation the number of passes before this one.
        None elsewhere.
    """
    return _pass.number


def within_pass(number: int | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call function(*arguments) in this thread, during which `current_pass()` returns `number`."""
    return Scope((_pass, "number", number)).run(function, *arguments)


class ReducedItem(tuple[Any, ...]):
    """(x, y) or (x, y, sample_weight), of which some samples could not be read, and are omitted or blank.

    Attributes:
        samples: Number of samples that are left. A batch without any is skipped.
        skipped: For each of these samples a line that begins with the path of its file and says the reason.
    """

    samples: int
    skipped: tuple[str, ...]

    @classmethod
    def of(cls, item: tuple[Any, ...], samples: int, skipped: tuple[str, ...]) -> ReducedItem:
        """The item with these attributes."""
        reduced = cls(item)
        reduced.samples, reduced.skipped = samples, skipped
        return reduced


def is_sequence(x: Any) -> bool:
    """Whether x is a Sequence, or has its methods: batches by index, a length, a hook after the epoch."""
    return all(hasattr(x, name) for name in ("__getitem__", "__len__", "on_epoch_end"))


def checked_length(sequence: Any) -> int:
    """The number of batches of a Sequence, which its on_epoch_end may change. Raise ValueError if there is none."""
    length = len(sequence)
    if length < 1:
        raise ValueError(f"expected a Sequence of at least one batch, got a length of {length}")
    return length


def is_generated(x: Any) -> bool:
    """Whether x gives batches, in contrast to arrays."""
    return is_sequence(x) or hasattr(x, "__next__")


def check_source(method: str, source: Any) -> None:
    """Raise TypeError if source does not give batches."""
    if not is_generated(source):
        hint = f"; pass what it returns, {getattr(source, '__name__', 'it')}()" if callable(source) else ""
        raise TypeError(
            f"{method}: expected a generator, an iterator or a `keras.utils.Sequence`, got {type(source).__name__}{hint}"
        )


def named(source: Any) -> str:
    """The kind and name of a source, for messages: "generator slow", "Sequence Slow"."""
    kind = "Sequence" if is_sequence(source) else "generator"
    return f"{kind} {getattr(source, '__name__', None) or type(source).__name__}"


EXPECTED_ITEM = "expected a tuple `(x, y)` or `(x, y, sample_weight)`, or x alone to predict; is a `return` missing?"


def split_item(item: Any) -> tuple[Any, Any, Any]:
    """(x, y, weights or None) of an item to train or evaluate with.

    Raises:
        ValueError: The item is not a tuple or list of two or three entries.
    """
    if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
        raise ValueError(
            f"Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: {_described(item)}"
        )
    x, y = item[0], item[1]
    return x, y, item[2] if len(item) == 3 else None


def _described(item: Any) -> str:
    """Kind and shape instead of the numbers: "tuple of 1: ndarray (8, 3)"."""
    if isinstance(item, (tuple, list)):
        return f"{type(item).__name__} of {len(item)}: {', '.join(map(_described, item[:4]))}".removesuffix(": ")
    return f"{type(item).__name__} {item.shape}" if hasattr(item, "shape") else f"{type(item).__name__} {str(item)[:100]}"


def inputs_of_item(item: Any) -> Any:
    """x of an item to predict with: (x, y), (x, y, weights) or x itself, an array, or a list for several inputs."""
    return split_item(item)[0] if isinstance(item, tuple) else item
