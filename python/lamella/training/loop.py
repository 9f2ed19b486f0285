"""The epoch loop: batches, a step, callbacks. All kinds of data use this loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from lamella.callbacks.callback_list import CallbackList, Position
from lamella.callbacks.history import BaseLogger
from lamella.callbacks.logs import Logs
from lamella.callbacks.progress import ProgbarLogger, ProgressLine
from lamella.callbacks.state import restore
from lamella.core.pool import in_pool
from lamella.core.warn import warn
from lamella.data.batches import Batches
from lamella.training.objective import Objective
from lamella.training.options import FitOptions, validates_after
from lamella.training.step import Steps


@dataclass
class Fit:
    """The parts of one fit beside its steps. `objective` has this run's metrics."""

    objective: Objective
    batches: Batches
    validation: Batches | None
    callbacks: CallbackList
    averages: BaseLogger
    options: FitOptions

    def validates(self, epoch: int) -> bool:
        """Whether validation follows this epoch."""
        return self.validation is not None and validates_after(self.options.validation_freq, epoch)

    def validations_before(self, epoch: int) -> int:
        """Number of epochs before this one, counted from 0, that are followed by validation: passes of a validation Sequence."""
        frequency = self.options.validation_freq
        if isinstance(frequency, Collection):
            return sum(number <= epoch for number in set(frequency))
        return epoch // frequency


def train(steps: Steps, run: Fit) -> None:
    """Train from epoch initial_epoch to epochs - 1, or until a callback sets model.stop_training.

    on_train_end runs in every case: also after an error in the data or in a callback, and after Ctrl-C.
    """
    callbacks, session = run.callbacks, steps.session
    steps.model.stop_training = False
    try:
        callbacks.on_train_begin()
        if callbacks.position is None:
            restore(session.loaded, callbacks, run.options.initial_epoch)
        first = callbacks.position or Position(run.options.initial_epoch)
        callbacks.ended = first.epoch
        session.callbacks = callbacks
        for epoch in range(first.epoch, run.options.epochs):
            if steps.model.stop_training or run.batches.exhausted:
                break
            run.objective.reset()
            steps.stream.begin_epoch()
            callbacks.on_epoch_begin(epoch)
            finished = _train_epoch(steps, run, epoch, first if epoch == first.epoch else None)
            if not run.averages.seen:  # the generator was exhausted after the last epoch
                break
            run.batches.end_epoch()
            logs: Logs[Any] = Logs() if run.batches.skipped is None else Logs(skipped=run.batches.skipped)
            if finished and run.validates(epoch):
                assert run.validation is not None
                # `finished` is from before validation: a stop that is requested during validation does not skip it.
                values = evaluate(steps, run.objective, run.validation, callbacks, index=run.validations_before(epoch))
                run.validation.end_epoch()
                logs.update(zip([f"val_{name}" for name in run.objective.names], values))
            callbacks.on_epoch_end(epoch, logs)
    except BaseException as error:
        _end_after(error, callbacks)
        raise
    else:
        callbacks.on_train_end()
    finally:
        session.end()


def _train_epoch(steps: Steps, run: Fit, epoch: int, first: Position | None) -> bool:
    """Train one epoch.

    Args:
        steps: The model's steps.
        run: The fit.
        epoch: Index of the epoch.
        first: In a resumed run's first epoch, its position: the batches before it are drawn and skipped.

    Returns:
        Whether all batches were used; False if a callback stopped the epoch.
    """
    model, names = steps.model, run.objective.names
    callbacks, averages = run.callbacks, run.averages
    # Usually only `averages` has batch hooks. Then no logs are made for batches.
    watched = [c for c in callbacks.listeners("train") if c is not averages]
    # The progress line reads the numbers of few batches. Other callbacks get np.float64 of all, as in Keras.
    late = all(type(c) is ProgbarLogger for c in watched)
    batches = run.batches.epoch(epoch)
    done, finished = 0, True
    if first is not None:
        done = sum(1 for _ in islice(batches, first.batch))
        first.reached()
    for index, (inputs, targets, weights, size) in enumerate(batches, done):
        step = steps.train if steps.own_train is None else steps.train_batch
        if watched:
            logs: Logs[Any] = Logs(batch=index, size=size)
            callbacks.call_batch("train", "begin", index, logs)
            numbers = step(inputs, targets, weights)
            # Those of the first batch are computed, so that an error of a metric does not wait for the end of the epoch.
            logs.update(zip(names, numbers if late and index > done else map(np.float64, numbers)))
            callbacks.call_batch("train", "end", index, logs)
        else:
            numbers = step(inputs, targets, weights)
            averages.add(names, numbers if index > done else [*map(float, numbers)], size)
        if model.stop_training:
            finished = index + 1 == run.batches.steps
            break
    averages.compute()
    return finished


def evaluate(
    steps: Steps,
    objective: Objective,
    batches: Batches,
    callbacks: CallbackList | None = None,
    progress: ProgressLine | None = None,
    index: int = 0,
) -> list[float]:
    """Evaluate the model on batches.

    Args:
        steps: The model's steps.
        objective: The objective, with this run's metrics.
        batches: The data.
        callbacks: Callbacks for the test hooks.
        progress: Where progress is shown.
        index: Number of evaluations of the same batches before this one.

    Returns:
        One np.float64 for each of objective.names: sum(value of batch * its size) / samples, or the last value of a stateful
        metric.
    """
    names = objective.names
    objective.reset()
    stateful = [name in objective.stateful_names for name in names]
    totals = [0.0] * len(names)
    last: Sequence[Any] = totals
    samples = 0
    if callbacks is not None:
        callbacks.on_test_begin()
    watched = callbacks is not None and bool(callbacks.listeners("test"))
    for batch, (inputs, targets, weights, size) in enumerate(batches.epoch(index)):
        if watched:
            assert callbacks is not None
            logs: Logs[Any] = Logs(batch=batch, size=size)
            callbacks.call_batch("test", "begin", batch, logs)
        test = steps.test if steps.own_test is None else steps.test_batch
        last = in_pool(test, inputs, targets, weights, objective)
        if not batch:  # an error of a metric does not wait for the last batch
            last = [*map(float, last)]
        if watched:
            assert callbacks is not None
            logs.update(zip(names, map(np.float64, last)))
            callbacks.call_batch("test", "end", batch, logs)
        samples += size
        totals = [total if own else total + value * size for total, value, own in zip(totals, last, stateful)]
        if progress is not None:
            progress.update(batch + 1 if batches.samples is None else samples)
    if callbacks is not None:
        callbacks.on_test_end()
    return [np.float64(now if own else total / samples) for own, now, total in zip(stateful, last, totals)]


def _end_after(error: BaseException, callbacks: CallbackList) -> None:
    """Call on_train_end after an error, so that files are closed and best weights restored. The error itself is raised later."""
    callbacks.failed = callbacks.over = True
    for callback in callbacks.callbacks:
        _attempt(callback.on_train_end, error)


def _attempt(hook: Callable[..., None], error: BaseException) -> None:
    try:
        hook(Logs())
    except Exception as second:
        warn(f"{hook.__qualname__} failed after {error!r}: {second!r}", RuntimeWarning)
