"""The epoch loop: batches, a step, callbacks. There is one, whatever the data comes from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from lamella.callbacks.base import CallbackList, Position
from lamella.callbacks.history import BaseLogger
from lamella.callbacks.logs import Logs
from lamella.callbacks.progress import ProgressLine
from lamella.callbacks.state import restore
from lamella.core.pool import in_pool
from lamella.core.warn import warn
from lamella.data.batches import Batches
from lamella.training.objective import Objective
from lamella.training.options import FitOptions
from lamella.training.step import Steps


@dataclass
class Fit:
    """All that one fit needs besides the steps. objective: with this run's metrics."""

    objective: Objective
    batches: Batches
    validation: Batches | None
    callbacks: CallbackList
    averages: BaseLogger
    options: FitOptions

    def validates(self, epoch: int) -> bool:
        if self.validation is None:
            return False
        frequency = self.options.validation_freq
        return (epoch + 1) in frequency if isinstance(frequency, Collection) else (epoch + 1) % frequency == 0

    def validations_before(self, epoch: int) -> int:
        """How many epochs of a whole run are validated before this one; so far a Sequence has gone on."""
        frequency = self.options.validation_freq
        if isinstance(frequency, Collection):
            return sum(number <= epoch for number in set(frequency))
        return epoch // frequency


def train(steps: Steps, run: Fit) -> None:
    """Epochs initial_epoch .. epochs - 1, or fewer if a callback sets model.stop_training.

    on_train_end runs however the loop ends: by an error of the data, of a callback, or by Ctrl-C.
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
            if not run.averages.seen:  # a generator had ended with the epoch before
                break
            run.batches.end_epoch()
            logs: Logs[Any] = Logs() if run.batches.skipped is None else Logs(skipped=run.batches.skipped)
            if finished and run.validates(epoch):
                assert run.validation is not None
                # A stop asked for during validation counts too.
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
    """Whether all batches were taken; those that were before the run was taken up again are drawn and left out."""
    model, step, names = steps.model, steps.train, run.objective.names
    callbacks, averages = run.callbacks, run.averages
    # Nobody but the averages listens as a rule; then no logs are made for a batch.
    watched = [c for c in callbacks.listeners("train") if c is not averages]
    batches = run.batches.epoch(epoch)
    done = 0
    if first is not None:
        done = sum(1 for _ in islice(batches, first.batch))
        first.reached()
    for index, (inputs, targets, weights, size) in enumerate(batches, done):
        if watched:
            logs: Logs[Any] = Logs(batch=index, size=size)
            callbacks.call_batch("train", "begin", index, logs)
            logs.update(zip(names, map(np.float64, step(inputs, targets, weights))))
            callbacks.call_batch("train", "end", index, logs)
        else:
            averages.add(names, step(inputs, targets, weights), size)
        if model.stop_training:
            return index + 1 == run.batches.steps
    return True


def evaluate(
    steps: Steps,
    objective: Objective,
    batches: Batches,
    callbacks: CallbackList | None = None,
    progress: ProgressLine | None = None,
    index: int = 0,
) -> list[float]:
    """Each column over all samples: sum(value of batch * its size) / samples; stateful metrics as they are at the end.
    np.float64, as in Keras: a float that has NumPy's methods.

    Args:
        objective: With this run's metrics.
        index: Of this evaluation among those of the same batches.
    """
    names = objective.names
    objective.reset()
    totals = [0.0] * len(names)
    last: list[float] = totals
    samples = 0
    if callbacks is not None:
        callbacks.on_test_begin()
    watched = callbacks is not None and bool(callbacks.listeners("test"))
    for batch, (inputs, targets, weights, size) in enumerate(batches.epoch(index)):
        if watched:
            assert callbacks is not None
            logs: Logs[Any] = Logs(batch=batch, size=size)
            callbacks.call_batch("test", "begin", batch, logs)
        last = in_pool(steps.test, inputs, targets, weights, objective)
        if watched:
            assert callbacks is not None
            logs.update(zip(names, map(np.float64, last)))
            callbacks.call_batch("test", "end", batch, logs)
        samples += size
        for i, value in enumerate(last):
            totals[i] += value * size
        if progress is not None:
            progress.update(batch + 1 if batches.samples is None else samples)
    if callbacks is not None:
        callbacks.on_test_end()
    stateful = objective.stateful_names
    return [np.float64(now if name in stateful else total / samples) for name, now, total in zip(names, last, totals)]


def _end_after(error: BaseException, callbacks: CallbackList) -> None:
    """on_train_end after a failure: files get closed, best weights restored; `error` stays the one that is raised."""
    callbacks.failed = callbacks.over = True
    for callback in callbacks.callbacks:
        _attempt(callback.on_train_end, error)


def _attempt(hook: Callable[..., None], error: BaseException) -> None:
    try:
        hook(Logs())
    except Exception as second:
        warn(f"{hook.__qualname__} failed after {error!r}: {second!r}", RuntimeWarning)
