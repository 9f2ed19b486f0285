"""LearningRateScheduler: a function gives the learning rate of each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella.callbacks.base import Callback
from lamella.callbacks.logs import Logs


class LearningRateScheduler(Callback):
    """Sets lr = schedule(epoch, lr) before each epoch, or lr = schedule(epoch) for a function of one argument.

    Difference from Keras 2.2.5: the function's signature decides how it is called. Keras tries two arguments first and takes
    a TypeError, which may have come from inside the function, for a wrong number.

    Args:
        schedule: Function of the epoch, counted from 0, and the current learning rate. It returns a float.
        verbose: 1 prints each learning rate.

    Raises:
        ValueError: Before an epoch, if schedule does not return a float or the optimizer has no lr.

    Source: Keras 2.2.5.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        optimizer = self.model.optimizer
        if not hasattr(optimizer, "lr"):
            raise ValueError('Optimizer must have a "lr" attribute.')
        old = float(optimizer.lr)
        lr = self.schedule(epoch, old) if _takes_two(self.schedule) else self.schedule(epoch)
        if not isinstance(lr, (float, np.float32, np.float64)):
            raise ValueError(f'The output of the "schedule" function should be float. Got {lr!r}')
        optimizer.lr = lr
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {lr}.")

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        if logs is not None:
            logs["lr"] = float(self.model.optimizer.lr)


def _takes_two(function: Callable[..., float]) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return False
    try:
        signature.bind(0, 0.0)
    except TypeError:
        return False
    return True
