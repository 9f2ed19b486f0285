"""fit, for arrays and for generated batches: from its options to one run of the loop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamella.callbacks.callback_list import CallbackList, checked_callbacks
from lamella.callbacks.history import BaseLogger, History
from lamella.callbacks.progress import ProgbarLogger
from lamella.core.checks import checked_steps
from lamella.core.pool import offer_pool
from lamella.core.warn import warn
from lamella.data.adapt import feed
from lamella.data.adapt.expected import ModelInputs
from lamella.data.batches import ArrayBatches, Batches, Data, WholeBatches
from lamella.data.sequence import is_generated
from lamella.training import loop
from lamella.training.exclusive import Exclusive
from lamella.training.options import FitOptions
from lamella.training.session import Run
from lamella.training.step import Steps


class _Feed(NamedTuple):
    """The data of one fit.

    Attributes:
        training: Batches to train on.
        validation: Batches to validate on, or None.
        batch_size: The batch size that callbacks see; None if it is not fixed.
        shown: The value of the callbacks' `validation_data`.
    """

    training: Batches
    validation: Batches | None
    batch_size: int | None
    shown: list[Any] | None


def fit(steps: Steps, inputs: ModelInputs, options: FitOptions) -> History:
    """Train the model, see Model.fit.

    Everything is checked before the first weight changes. Workers are stopped when fit ends, also after an error.
    """
    if is_generated(options.x):
        return _run(steps, options, _generated_feed(steps, inputs, options))
    return _run(steps, options, _array_feed(steps, inputs, options))


def _array_feed(steps: Steps, inputs: ModelInputs, options: FitOptions) -> _Feed:
    by_steps, validation_steps = options.steps_per_epoch is not None, options.validation_steps
    if validation_steps is not None and not by_steps and not options.validates_generated:
        raise ValueError("Can only use `validation_steps` when doing step-wise training, i.e. `steps_per_epoch` must be set.")
    size = feed.checked_batch_size(inputs, options.batch_size)
    data, _ = feed.data_of(inputs, steps.objective.outputs, options.x, options.y, options.sample_weight, options.class_weight)
    if not by_steps:
        feed.check_arrays(data, "fit", "steps_per_epoch")
        feed.check_whole_batches(inputs, data.samples, size)
    for_callbacks = None if by_steps else size
    if options.validates_generated:
        return _Feed(_batches(steps, options, data, size), _generated_validation(steps, inputs, options), for_callbacks, None)
    validated, shown = _validation(steps, inputs, options, data)
    if validated is None and validation_steps is not None and not data.samples:
        validated, shown = data, []  # as in Keras: a model of its own tensors validates on these
    if validated is None:
        if validation_steps is not None:
            raise ValueError(f"validation_steps={validation_steps} needs validation_data or validation_split")
        return _Feed(_batches(steps, options, data, size), None, for_callbacks, None)
    if options.validation_data is None and data.samples:
        data = data.split(options.validation_split)[0]
    validation: Batches
    if not by_steps:
        feed.check_whole_batches(inputs, validated.samples, size)
        validation = ArrayBatches(validated, size)
    elif validation_steps is None:
        raise ValueError("Must specify `validation_steps` to perform validation when doing step-wise training.")
    else:
        validation = WholeBatches(validated, checked_steps("validation_steps", validation_steps))
    if options.verbose:
        print(f"Train on {data.samples} samples, validate on {validated.samples} samples")
    return _Feed(_batches(steps, options, data, size), validation, for_callbacks, shown)


def _batches(steps: Steps, options: FitOptions, data: Data, size: int) -> Batches:
    if options.steps_per_epoch is not None:
        return WholeBatches(data, checked_steps("steps_per_epoch", options.steps_per_epoch))
    return ArrayBatches(data, size, options.shuffle, steps.stream.order)


def _generated_feed(steps: Steps, inputs: ModelInputs, options: FitOptions) -> _Feed:
    from lamella.data.generated import GeneratedBatches, LikeLastBatch  # imported late: with its workers it is five modules

    training = GeneratedBatches(
        options.x,
        options.steps_per_epoch,
        feed.items_to_data(inputs, steps.objective.outputs, options.class_weight),
        options.worker_options,
        steps.stream,
        bool(options.shuffle),
    )
    if options.validates_generated:
        return _Feed(training, _generated_validation(steps, inputs, options), None, None)
    if options.validation_data is None:
        return _Feed(training, None, None, None)
    if options.validation_steps is not None:
        warn("`validation_steps` is ignored: it is only for generators, and validation uses all samples of arrays.")
    validated, shown = _validation_arrays(steps, inputs, options.validation_data)
    return _Feed(training, LikeLastBatch(validated, training), None, shown)


def _generated_validation(steps: Steps, inputs: ModelInputs, options: FitOptions) -> Batches:
    from lamella.data.generated import GeneratedBatches

    convert = feed.items_to_data(inputs, steps.objective.outputs)
    return GeneratedBatches(
        options.validation_data, options.validation_steps, convert, options.worker_options, argument="validation_steps"
    )


def _validation(steps: Steps, inputs: ModelInputs, options: FitOptions, data: Data) -> tuple[Data | None, list[Any] | None]:
    """The data to validate on, given or split off `data`, and the arrays that callbacks see of it; (None, None) without any."""
    if options.validation_data is not None:
        return _validation_arrays(steps, inputs, options.validation_data)
    if options.validation_split and 0.0 < options.validation_split < 1.0:
        tail = data.split(options.validation_split)[1]
        weights = [np.ones(tail.samples, y.dtype) if w is None else w for w, y in zip(tail.weights, tail.targets)]
        return tail, [*tail.inputs, *tail.targets, *weights, *_phase(inputs)]
    return None, None


def _validation_arrays(steps: Steps, inputs: ModelInputs, validation_data: Any) -> tuple[Data, list[Any]]:
    """(x, y) or (x, y, weights), checked; and the list for callbacks: the user's arrays, then 0. if the learning phase matters."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        count = len(validation_data) if hasattr(validation_data, "__len__") else "no"
        raise ValueError(
            "When passing validation_data, it must contain 2 (x_val, y_val) or 3 (x_val, y_val, val_sample_weights) items, "
            f"however it contains {count} items"
        )
    data, given = feed.data_of(inputs, steps.objective.outputs, *validation_data)
    return data, [*given, *_phase(inputs)]


def _phase(inputs: ModelInputs) -> list[float]:
    return [0.0] if inputs.uses_learning_phase else []


def _run(steps: Steps, options: FitOptions, fed: _Feed) -> History:
    """Set up the callbacks, in the order of Keras, and run the loop."""
    model, objective, training, validation = steps.model, steps.objective, fed.training, fed.validation
    averages = BaseLogger(objective.stateful_names)
    history = History()
    bar = [ProgbarLogger("samples" if training.samples is not None else "steps", objective.stateful_names)]
    users = checked_callbacks(options.callbacks)
    hooks = CallbackList([averages, *(bar if options.verbose else []), *users, history])
    hooks.users = users
    with Exclusive(model):
        before, steps.session = steps.session, steps.session.following()
        model.history = history
        hooks.set_model(model)
        generated = is_generated(options.x)
        # As in Keras, generators have no samples: callbacks such as those of keras_tqdm test `"samples" in self.params`.
        sizes = {} if generated else {"batch_size": fed.batch_size, "samples": training.known_samples}
        in_validation = [f"val_{n}" for n in objective.names] if generated or validation is not None else []
        hooks.set_params(
            {
                **sizes,
                "epochs": options.epochs,
                "steps": training.steps if training.samples is None else None,
                "verbose": options.verbose,
                "do_validation": validation is not None,
                "metrics": objective.names + in_validation,
            }
        )
        for callback in hooks.callbacks:
            callback.validation_data = fed.shown
        try:
            with Run(steps, training=True) as own:
                loop.train(steps, loop.Fit(own, training, validation, hooks, averages, options))
        finally:
            training.close()
            if validation is not None:
                validation.close()
            if before.callbacks is not None:  # this fit ran in a callback of an outer fit, which continues
                steps.session = before
            offer_pool()
    return history
