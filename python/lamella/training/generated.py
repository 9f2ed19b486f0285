"""fit, evaluate and predict on a generator, an iterator or a Sequence: the same loops, fed batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

from lamella.callbacks.base import Callback
from lamella.callbacks.history import History
from lamella.core.types import Array
from lamella.data.batches import Batches, Data, Shuffle, check_shuffle
from lamella.data.crew import Crew, Item
from lamella.data.generated import GeneratedBatches, LikeLastBatch
from lamella.data.sequence import EXPECTED_ITEM, Hiring, is_generated, is_sequence, named, split_item
from lamella.data.workers import NotInTime
from lamella.training import feed
from lamella.training.evaluate import run_evaluation, run_prediction
from lamella.training.fit import generated_validation, run, validation_arrays
from lamella.training.step import Steps


def check_source(method: str, source: Any) -> None:
    """Raises TypeError for what hands out no batches."""
    if not is_generated(source):
        raise TypeError(f"{method}: expected a generator, an iterator or a `keras.utils.Sequence`, got {type(source).__name__}")


def first_of(source: Any, hiring: Hiring) -> tuple[Any, Any]:
    """The inputs of the first batch, and a source that still begins with it, drawn as `hiring` says but by one thread.

    Raises:
        ValueError: If there is none.
        TimeoutError: If it takes too long.
    """
    crew = Crew(source, hiring._replace(workers=min(hiring.workers, 1), use_multiprocessing=False))
    try:
        for first in crew.results([Item(0, 0)]):
            if first is None:
                raise ValueError(f"the {named(source)}: the first item is None; {EXPECTED_ITEM}")
            return _inputs_of(first), source if is_sequence(source) else chain([first], source)
    except NotInTime:
        raise TimeoutError(f"the {named(source)}: the first batch did not come within {hiring.timeout} seconds") from None
    finally:
        crew.stop()
    raise ValueError("the generator gave no batch at all")


def _inputs_of(item: Any) -> Any:
    """x of (x, y) or (x, y, weights); else the item is x itself, a list of them for several inputs."""
    return split_item(item)[0] if isinstance(item, tuple) else item


def refuse_arguments(batch_size: Any, y: Any, sample_weight: Any, validation_split: float = 0.0) -> None:
    """Raises ValueError, in Keras's own words, for arguments that a generator rules out."""
    where = "argument is not supported when data is a generator or Sequence instance. Instead pass"
    if batch_size is not None:
        raise ValueError("The `batch_size` argument must not be specified when using a generator or Sequence as an input.")
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
    shuffle: Shuffle,
    class_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_freq: int | Collection[int],
    hiring: Hiring,
) -> History:
    """Train on batches as they come; see Model.fit. Workers end with the fit, however that ends."""
    check_shuffle(shuffle)
    batches = GeneratedBatches(
        source,
        steps_per_epoch,
        feed.items_to_data(model, steps.objective, class_weight),
        hiring,
        steps.stream.order,
        bool(shuffle),
    )
    validation: Batches | None = None
    shown = None
    if is_generated(validation_data):
        validation = generated_validation(model, steps, validation_data, validation_steps, hiring)
    elif validation_data is not None:
        if validation_steps is not None:
            warnings.warn("`validation_steps` is for generators: arrays are validated whole.", stacklevel=4)
        held, shown = validation_arrays(model, steps, validation_data)
        validation = LikeLastBatch(held, batches)
    return run(model, steps, batches, validation, None, epochs, verbose, callbacks, initial_epoch, validation_freq, shown)


def evaluate(
    model: Any,
    steps: Steps,
    source: Any,
    count: int | None,
    verbose: int,
    callbacks: Sequence[Callback] | None,
    hiring: Hiring,
) -> float | list[float]:
    """See Model.evaluate_generator: means over all samples of `count` batches."""
    batches = GeneratedBatches(source, count, feed.items_to_data(model, steps.objective), hiring, argument="steps")
    try:
        return run_evaluation(model, steps, batches, None, verbose, callbacks)
    finally:
        batches.close()


def predict(
    model: Any, source: Any, count: int | None, verbose: int, callbacks: Sequence[Callback] | None, hiring: Hiring
) -> Array | list[Array]:
    """See Model.predict_generator."""

    def convert(item: Any) -> Data:
        x = _inputs_of(item)
        feed.refuse_empty(x)
        return Data(feed.inputs_of(model, x)[1], [], [])

    batches = GeneratedBatches(source, count, convert, hiring, argument="steps")
    try:
        return run_prediction(model, batches, None, verbose, callbacks)
    finally:
        batches.close()
