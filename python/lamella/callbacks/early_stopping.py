"""EarlyStopping: end training when a monitored value has stopped improving."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.callbacks.logs import Logs
from lamella.callbacks.monitor import Monitor, checked_mode, direction_of, monitored


class EarlyStopping(Monitor):
    """Stops training after `patience` epochs (at least one) without improvement.

    An epoch improves if value > best + min_delta (max) or value < best - min_delta (min), strictly. NaN is never an
    improvement. An epoch without the value does not count.

    Differences from Keras 2.2.5:
        - The best weights are restored however training ends, also if no epoch was better than `baseline`. In this case the
          best epoch of the run counts.
        - Each fit starts with a fresh state.
        - `best_epoch` exists.
        - With mode="auto", a metric object that declares its direction decides.

    Args:
        monitor: A name in the logs.
        min_delta: Smallest change that counts as an improvement.
        patience: Number of epochs without improvement after which training stops.
        verbose: 1 prints when training is stopped and when weights are restored.
        mode: "min", "max" or "auto".
        baseline: A value that the first improvement must exceed.
        restore_best_weights: Whether to set the weights of the best epoch at the end.

    Attributes:
        best: The best value so far.
        best_epoch: Its epoch; None before the first.
        best_weights: Its weights with restore_best_weights, else None.
        wait: Number of epochs since the last improvement.
        stopped_epoch: The epoch that stopped training; 0 if none did.
        monitor_op: np.greater or np.less, by the direction, or what a script set. An epoch improves if
            monitor_op(value - min_delta, best).
        min_delta: The argument, negated where smaller values are better.

    Source: Keras 2.2.5.
    """

    state_names = (
        "wait", "stopped_epoch", "best_epoch", "best_weights", "best", "_sign", "_beaten", "_best_seen", "_current_epoch",
    )  # fmt: skip

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.min_delta = min_delta
        self.patience = patience
        self.verbose = verbose
        self.mode = checked_mode(mode, "EarlyStopping")
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self._min_delta_sign = 1
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch: int | None = None
        self.best_weights: list[Any] | None = None
        direction = direction_of(self, self.monitor, self.mode)
        # Only fit knows the metric objects, which may turn the direction that the constructor found. An own monitor_op leaves
        # min_delta as it is, as in Keras.
        sign = 1 if direction == "max" else -1
        if sign != self._min_delta_sign:
            self.min_delta = -self.min_delta
            self._min_delta_sign = sign
        self._sign = self._sign_by(direction)
        self.best: float = -self._sign * np.inf if self.baseline is None else self.baseline
        self._beaten = False
        self._best_seen = -np.inf
        # The epoch from which the model's weights are.
        self._current_epoch: int | None = None

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self._start()

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self._current_epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self._current_epoch = epoch
        current = self.get_monitor_value(logs)
        if current is None:
            return
        score = self._sign * current
        if self.monitor_op(current - self.min_delta, self.best):
            self.best = current
            self.wait = 0
            self._beaten = True
            self._keep(epoch)
            return
        if not self._beaten and score > self._best_seen:
            self._best_seen = score
            self._keep(epoch)
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            self._restore()

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        self._restore()
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")

    def get_monitor_value(self, logs: Logs[Any] | None) -> Any:
        """The monitored value in `logs`. If it is missing: None, with a warning that lists the available names."""
        return monitored(logs, self.monitor, "Early stopping")

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def _restore(self) -> None:
        """Set the best weights, unless the model has them already."""
        if self.best_weights is None or self.best_epoch == self._current_epoch:
            return
        if self.verbose > 0:
            print("Restoring model weights from the end of the best epoch")
        self.model.set_weights(self.best_weights)
        self._current_epoch = self.best_epoch
