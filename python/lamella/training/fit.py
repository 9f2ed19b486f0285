"""fit: from its arguments to one run of the loop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback, CallbackList, checked_callbacks
from lamella.callbacks.history import BaseLogger, History
from lamella.callbacks.progress import ProgbarLogger
from lamella.core.checks import checked_count
from lamella.core.pool import empty_pool
from lamella.data.batches import ArrayBatches, Batches, Data, Shuffle, WholeBatches, check_shuffle
from lamella.data.sequence import Hiring, is_generated
from lamella.training import feed, loop
from lamella.training.exclusive import Exclusive
from lamella.training.feed import checked_batch_size
from lamella.training.step import Run, Steps


def fit(
    model: Any,
    steps: Steps,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: int,
    callbacks: Sequence[Callback] | None,
    validation_split: float,
    validation_data: Any,
    shuffle: Shuffle,
    class_weight: Any,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_freq: int | Collection[int],
    hiring: Hiring,
) -> History:
    """Train on arrays; see Model.fit. Everything is checked before the first weight changes."""
    check_shuffle(shuffle)
    if batch_size is not None and steps_per_epoch is not None:
        raise ValueError("If steps_per_epoch is set, the `batch_size` must be None.")
    generated = is_generated(validation_data)
    if validation_steps is not None and steps_per_epoch is None and not generated:
        raise ValueError("Can only use `validation_steps` when doing step-wise training, i.e. `steps_per_epoch` must be set.")
    size = checked_batch_size(model, batch_size)
    data, _ = feed.data_of(model, steps.objective, x, y, sample_weight, class_weight)
    if steps_per_epoch is None:
        feed.check_whole_batches(model, data.samples, size)
    held, shown = (None, None) if generated else _validation(model, steps, validation_data, validation_split, data)
    if held is None and validation_steps is not None and not generated:
        raise ValueError(f"validation_steps={validation_steps} needs validation_data or validation_split")
    if held is not None and validation_data is None:
        data = data.split(validation_split)[0]
    batches: Batches
    if steps_per_epoch is not None:
        batches = WholeBatches(data, checked_count("steps_per_epoch", steps_per_epoch))
    else:
        batches = ArrayBatches(data, size, shuffle, steps.stream.order)
    validation: Batches | None = None
    if generated:
        validation = generated_validation(model, steps, validation_data, validation_steps, hiring)
    if held is not None:
        if steps_per_epoch is None:
            feed.check_whole_batches(model, held.samples, size)
            validation = ArrayBatches(held, size)
        elif validation_steps is None:
            raise ValueError("Must specify `validation_steps` to perform validation when doing step-wise training.")
        else:
            validation = WholeBatches(held, checked_count("validation_steps", validation_steps))
        if verbose:
            print(f"Train on {data.samples} samples, validate on {held.samples} samples")
    return run(
        model, steps, batches, validation, size if steps_per_epoch is None else None, epochs, verbose, callbacks,
        initial_epoch, validation_freq, shown,
    )  # fmt: skip


def run(
    model: Any,
    steps: Steps,
    batches: Batches,
    validation: Batches | None,
    batch_size: int | None,
    epochs: int,
    verbose: int,
    callbacks: Sequence[Callback] | None,
    initial_epoch: int,
    validation_freq: int | Collection[int],
    shown: list[Any] | None,
) -> History:
    """The callbacks in Keras's order, then the loop. `shown`: what callbacks get as validation_data."""
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"expected {name} to be an integer, got {value!r}")
    if isinstance(validation_freq, (str, bool)) or not isinstance(validation_freq, (int, np.integer, Collection)):
        raise TypeError(f"expected validation_freq to be an integer or a list of epochs, got {validation_freq!r}")
    if isinstance(validation_freq, (int, np.integer)):
        if validation_freq < 1:
            raise ValueError(f"`validation_freq` must be a positive integer, got {validation_freq}")
        validation_freq = int(validation_freq)
    names = steps.objective.names
    averages = BaseLogger(steps.objective.stateful_names)
    history = History()
    bar = [ProgbarLogger("samples" if batches.samples is not None else "steps", steps.objective.stateful_names)]
    users = checked_callbacks(callbacks)
    hooks = CallbackList([averages, *(bar if verbose else []), *users, history])
    hooks.users = users
    with Exclusive(model):
        model.history = history
        hooks.set_model(model)
        hooks.set_params(
            {
                "batch_size": batch_size,
                "epochs": epochs,
                "steps": batches.steps if batches.samples is None else None,
                "samples": batches.samples,
                "verbose": verbose,
                "do_validation": validation is not None,
                "metrics": names + ([f"val_{name}" for name in names] if validation is not None else []),
            }
        )
        for callback in hooks.callbacks:
            callback.validation_data = shown
        try:
            with Run(steps, training=True) as objective:
                fitted = loop.Fit(objective, batches, validation, hooks, averages, epochs, initial_epoch, validation_freq)
                loop.train(steps, fitted)
        finally:
            batches.close()
            if validation is not None:
                validation.close()
            empty_pool()
    return history


def _validation(
    model: Any, steps: Steps, validation_data: Any, validation_split: float, data: Data
) -> tuple[Data | None, list[Any] | None]:
    """The data to validate on, and what callbacks see of it."""
    if validation_data is not None:
        return validation_arrays(model, steps, validation_data)
    if validation_split and 0.0 < validation_split < 1.0:
        held = data.split(validation_split)[1]
        weights = [np.ones(held.samples, y.dtype) if w is None else w for w, y in zip(held.weights, held.targets)]
        return held, [*held.inputs, *held.targets, *weights, *_phase(model)]
    return None, None


def generated_validation(model: Any, steps: Steps, source: Any, count: int | None, hiring: Hiring) -> Batches:
    """Batches of a generator or Sequence to validate on, `count` each time."""
    from lamella.data.generated import GeneratedBatches  # with its queues it is five modules

    convert = feed.items_to_data(model, steps.objective)
    return GeneratedBatches(source, count, convert, hiring, argument="validation_steps")


def validation_arrays(model: Any, steps: Steps, validation_data: Any) -> tuple[Data, list[Any]]:
    """(x, y) or (x, y, weights), checked; and for callbacks the user's own arrays, then 0. if the phase matters."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        count = len(validation_data) if hasattr(validation_data, "__len__") else "no"
        raise ValueError(
            "When passing validation_data, it must contain 2 (x_val, y_val) or 3 (x_val, y_val, val_sample_weights) items, "
            f"however it contains {count} items"
        )
    held, given = feed.data_of(model, steps.objective, *validation_data)
    return held, [*given, *_phase(model)]


def _phase(model: Any) -> list[float]:
    return [0.0] if model.uses_learning_phase else []
