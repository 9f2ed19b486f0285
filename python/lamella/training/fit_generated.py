"""fit on a generator, an iterator or a Sequence: the same loop, fed batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.history import History
from lamella.data.batches import Batches, Data
from lamella.data.generated import Convert, GeneratedBatches, LikeLastBatch, split_item
from lamella.data.sequence import Hiring, is_generated, is_sequence
from lamella.training import feed
from lamella.training.fit import run, validation_arrays
from lamella.training.step import Steps


def first_of(source: Any) -> tuple[Any, Any]:
    """The inputs of the first batch, and a source that still begins with it."""
    if is_sequence(source):
        return split_item(source[0])[0], source
    first = next(source)
    return split_item(first)[0], chain([first], source)


def refuse_arguments(batch_size: Any, y: Any, sample_weight: Any, validation_split: float) -> None:
    """Raises ValueError, in Keras's own words, for arguments that a generator rules out."""
    where = "argument is not supported when data is a generator or Sequence instance. Instead pass"
    if batch_size is not None:
        raise ValueError(
            "The `batch_size` argument must not be specified when using a generator or Sequence as an input."
        )
    if y is not None:
        raise ValueError(f"`y` {where} targets as the second element of the generator.")
    if sample_weight is not None:
        raise ValueError(f"`sample_weight` {where} sample weights as the third element of the generator.")
    if validation_split:
        raise ValueError(f"`validation_split` {where} validation data through the `validation_data` argument.")


def fit(
    model: Any,
    steps: Steps,
    source: Any,
    epochs: int,
    verbose: int,
    callbacks: Sequence[Callback] | None,
    validation_data: Any,
    shuffle: bool,
    class_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_freq: int | Collection[int],
    hiring: Hiring,
) -> History:
    """Train on batches as they come; see Model.fit. Workers end with the fit, however that ends."""
    batches = GeneratedBatches(
        source, steps_per_epoch, _checked(model, steps, class_weight), hiring, steps.stream.order, shuffle
    )
    validation: Batches | None = None
    shown = None
    if is_generated(validation_data):
        validation = GeneratedBatches(
            validation_data, validation_steps, _checked(model, steps), hiring, argument="validation_steps"
        )
    elif validation_data is not None:
        if validation_steps is not None:
            warnings.warn("`validation_steps` is for generators: arrays are validated whole.", stacklevel=4)
        held, shown = validation_arrays(model, steps, validation_data)
        validation = LikeLastBatch(held, batches)
    return run(
        model, steps, batches, validation, None, epochs, verbose, callbacks, initial_epoch, validation_freq, shown
    )


def _checked(model: Any, steps: Steps, class_weight: Any = None) -> Convert:
    """Items to arrays."""

    def convert(item: Any) -> Data:
        x, y, weights = split_item(item)
        refuse_empty(x)
        return feed.data_of(model, steps.objective, x, y, weights, class_weight)[0]

    return convert


def refuse_empty(x: Any) -> None:
    """Raises ValueError, in Keras's own words, for a batch without samples."""
    arrays = list(x.values()) if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else [x]
    if any(np.shape(a)[:1] == (0,) for a in arrays):
        raise ValueError("Received an empty batch. Batches should contain at least one item.")
