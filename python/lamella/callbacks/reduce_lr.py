"""ReduceLROnPlateau: reduces the learning rate when a monitored value has stopped improving."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.callbacks.logs import Logs
from lamella.callbacks.monitor import Better, Monitor, checked_mode, direction_of, monitored
from lamella.core.warn import warn


class ReduceLROnPlateau(Monitor):
    """Sets lr = max(lr * factor, min_lr) after `patience` epochs (at least one) without improvement.

    An epoch improves if value < best - min_delta (min) or value > best + min_delta (max). After a reduction, the next
    `cooldown` epochs are not counted. logs["lr"] is the learning rate with which the epoch was trained.

    Difference from Keras 2.2.5: with mode="auto", a metric object that declares its direction decides.

    Args:
        monitor: A name in the logs.
        factor: Factor of a reduction, below 1.
        patience: Number of epochs without improvement after which the learning rate is reduced.
        verbose: 1 prints each reduction.
        mode: "min", "max" or "auto".
        min_delta: Smallest change that counts as an improvement.
        cooldown: Number of epochs after a reduction that are not counted.
        min_lr: Lower bound of the learning rate.
        epsilon: The old name of min_delta.

    Attributes:
        best: The best value so far.
        wait: Number of epochs since the last improvement or reduction.
        cooldown_counter: Number of epochs that are left of the cooldown.
        monitor_op: Whether a value is better than the best one by more than min_delta, or what a script set instead.

    Raises:
        ValueError: factor is 1 or more.

    Source: Keras 2.2.5.
    """

    state_names = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        *,
        epsilon: float | None = None,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ValueError("ReduceLROnPlateau does not support a factor >= 1.0.")
        if epsilon is not None:
            warn("`epsilon` argument is deprecated and will be removed, use `min_delta` instead.")
            min_delta = epsilon
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.mode = checked_mode(mode, "Learning Rate Plateau Reducing")
        self.min_delta = min_delta
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self) -> None:
        self._sign = self._sign_by(direction_of(self, self.monitor, self.mode))
        self.best: float = -self._sign * np.inf
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        logs = Logs() if logs is None else logs
        optimizer = self.model.optimizer
        lr = logs["lr"] = float(optimizer.lr)
        current = monitored(logs, self.monitor, "Reduce LR on plateau")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor_op(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and lr > self.min_lr:
                optimizer.lr = lr = max(lr * self.factor, self.min_lr)
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {lr}.")
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _op_by_direction(self) -> Better:
        """Better by more than min_delta. Source: Keras 2.2.5."""
        if self._sign > 0:
            return lambda value, best: value > best + self.min_delta
        return lambda value, best: value < best - self.min_delta

    def in_cooldown(self) -> bool:
        """Whether a reduction was made less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0
