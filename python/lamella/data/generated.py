"""Batches that a generator, an iterator or a Sequence hands out, drawn in the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamella.data.batches import Batch, Data, Order

# What turns one item of the generator into checked arrays.
Convert = Callable[[Any], Data]


def is_sequence(x: Any) -> bool:
    """A keras.utils.Sequence, or what behaves like one: batches by index, a length, a hook after the epoch."""
    return all(hasattr(x, name) for name in ("__getitem__", "__len__", "on_epoch_end"))


def is_generated(x: Any) -> bool:
    """Whether x hands out batches, and is no data itself."""
    return is_sequence(x) or hasattr(x, "__next__")


def split_item(item: Any) -> tuple[Any, Any, Any]:
    """(x, y, weights or None). Raises ValueError for an item of another form."""
    if not isinstance(item, tuple) or len(item) not in (2, 3):
        raise ValueError(
            f"Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: {str(item)[:200]}"
        )
    x, y = item[0], item[1]
    return x, y, item[2] if len(item) == 3 else None


class GeneratedBatches:
    """`steps` batches an epoch; a generator goes on where it stopped, a Sequence starts again.

    Args:  steps: None takes a Sequence's length.  shuffle: a Sequence's batches, by `order`.
    Raises:  ValueError without steps for what has no length, and for a batch without samples.
    """

    samples = None

    def __init__(
        self,
        source: Any,
        steps: int | None,
        convert: Convert,
        shuffle: bool = False,
        order: Order | None = None,
    ) -> None:
        if steps is None and not is_sequence(source):
            raise ValueError(
                "`steps_per_epoch=None` is only valid for a generator based on the `keras.utils.Sequence` class. Please "
                "specify `steps_per_epoch` or use the `keras.utils.Sequence` class."
            )
        self.source = source
        self.convert = convert
        self.steps: int = len(source) if steps is None else steps
        self.order = order if shuffle else None
        if self.steps < 1:
            raise ValueError(f"expected at least one batch an epoch, got {self.steps}")

    def epoch(self, index: int) -> Iterator[Batch]:
        for item in self._sequence() if is_sequence(self.source) else self._drawn():
            data = self.convert(item)
            yield *data, data.samples

    def _sequence(self) -> Iterator[Any]:
        order = np.arange(len(self.source))
        if self.order is not None:
            self.order().shuffle(order)
        for step in range(self.steps):
            yield self.source[int(order[step % len(order)])]
        self.source.on_epoch_end()

    def _drawn(self) -> Iterator[Any]:
        for step in range(self.steps):
            try:
                item = next(self.source)
            except StopIteration:
                raise ValueError(
                    f"the generator ended after {step} of {self.steps} batches of an epoch; it should go on for ever, "
                    "or steps_per_epoch * epochs batches"
                ) from None
            yield item
