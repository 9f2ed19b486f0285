"""Functions of keras.engine.training_utils that custom training loops call. Source: Keras 2.2.5."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamella.data import sequence
from lamella.training.options import validates_after

T = TypeVar("T")


def make_batches(size: int, batch_size: int) -> list[tuple[int, int]]:
    """(start, stop) of each batch of `size` samples; the last one may be shorter."""
    return [(start, min(start + batch_size, size)) for start in range(0, size, batch_size)]


def batch_shuffle(index_array: NDArray[Any], batch_size: int) -> NDArray[Any]:
    """A copy with its full batches shuffled by np.random. The rest, which fills no batch, stays at the end."""
    whole = len(index_array) // batch_size * batch_size
    batches = index_array[:whole].reshape(-1, batch_size).copy()
    np.random.shuffle(batches)
    return np.concatenate([batches.ravel(), index_array[whole:]])


def is_sequence(seq: object) -> bool:
    """Whether `seq` has the methods of a Sequence."""
    return sequence.is_sequence(seq)


def is_generator_or_sequence(x: object) -> bool:
    """Whether `x` is a Python generator or a Sequence."""
    return inspect.isgenerator(x) or is_sequence(x)


def iter_sequence_infinite(seq: Iterable[T]) -> Iterator[T]:
    """The batches of a Sequence, repeated without end."""
    while True:
        yield from seq


def should_run_validation(validation_freq: int | Collection[int], epoch: int) -> bool:
    """Whether fit validates after an epoch.

    Args:
        validation_freq: An int n for every n-th epoch, or a list of epochs, counted from 1.
        epoch: Counted from 0.

    Raises:
        ValueError: validation_freq is below 1, or neither an integer nor a collection.
    """
    if isinstance(validation_freq, int) and validation_freq < 1:
        raise ValueError("`validation_freq` can not be less than 1.")
    if not isinstance(validation_freq, (int, Collection)):
        raise ValueError("`validation_freq` must be an Integer or `collections.Container` (e.g. list, tuple, etc.)")
    return validates_after(validation_freq, epoch)
