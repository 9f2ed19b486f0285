"""ModelCheckpoint: saves the model after epochs, each time or only when it is the best so far."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from lamella.callbacks.logs import Logs
from lamella.callbacks.monitor import Monitor, checked_mode, declared_direction, direction_of
from lamella.core.files import check_target
from lamella.core.warn import warn
from lamella.saving.suffixes import check_written


class ModelCheckpoint(Monitor):
    """Saves the model after every `period`-th epoch.

    With save_best_only, an epoch saves only if its `monitor` is strictly better than in all epochs before. The best value is
    kept across several fits with the same callback, as in Keras.

    Differences from Keras 2.2.5:
        - A file that is not empty is replaced by a complete one, so that it is never a part of one.
        - A path that cannot be written to is an error before training.
        - A name that the logs do not have becomes "nan" in the file's name, with a warning.
        - With mode="auto", a metric object that declares its direction decides.

    Args:
        filepath: Template of the path. It may contain {epoch}, counted from 1, and names in the logs:
            "w.{epoch:02d}-{val_loss:.2f}.h5".
        monitor: A name in the logs.
        verbose: 1 prints a line for each epoch that is considered.
        save_best_only: Whether to save only if `monitor` improved.
        save_weights_only: Whether to call model.save_weights instead of model.save.
        mode: "min", "max" or "auto".
        period: Number of epochs between two saves.

    Raises:
        OSError: Before training, if the file cannot be written.
        ValueError: Before training, if the suffix names a format that cannot be written.

    Source: Keras 2.2.5.
    """

    state_names = ("best", "epochs_since_last_save")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
    ) -> None:
        super().__init__()
        self.filepath = os.fspath(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.mode = checked_mode(mode, "ModelCheckpoint")
        self.period = period
        self.epochs_since_last_save = 0
        self._find_sign()
        self.best: float = -self._sign * np.inf

    def _find_sign(self) -> None:
        direction = direction_of(self, self.monitor, self.mode)
        if self.mode == "auto" and not declared_direction(self, self.monitor) and self.monitor.startswith("fmeasure"):
            direction = "max"
        self._sign = self._sign_by(direction)

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self._find_sign()
        if np.isinf(self.best):
            self.best = -self._sign * np.inf
        check_written(self.filepath.format_map(_Fields({"epoch": 1})))
        if "{" not in os.path.dirname(self.filepath):
            check_target(self.filepath.format_map(_Fields({"epoch": 1})))

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        fields = _Fields({**(logs or Logs()), "epoch": epoch + 1})
        filepath = self.filepath.format_map(fields)
        if fields.missing:
            warn(
                f"ModelCheckpoint: {', '.join(fields.missing)} not in the logs of epoch {epoch + 1}, so the file "
                f"is named {filepath}. Available: {','.join(logs or {})}",
                RuntimeWarning,
            )
        if not self.save_best_only:
            self._say(f"\nEpoch {epoch + 1:05d}: saving model to {filepath}")
            self._save(filepath)
            return
        current = fields.get(self.monitor)
        if current is None:
            text = f"Can save best model only with {self.monitor} available, skipping."
            warn(text, RuntimeWarning)
        elif self.monitor_op(current, self.best):
            self._say(
                f"\nEpoch {epoch + 1:05d}: {self.monitor} improved from {self.best:.5f} to {current:.5f}, "
                f"saving model to {filepath}"
            )
            before, self.best = self.best, current  # before the save: the file holds this callback's state
            try:
                self._save(filepath)
            except BaseException:
                self.best = before
                raise
        else:
            self._say(f"\nEpoch {epoch + 1:05d}: {self.monitor} did not improve from {self.best:.5f}")

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print(text)

    def _save(self, filepath: str) -> None:
        if self.save_weights_only:
            self.model.save_weights(filepath, overwrite=True)
        else:
            self.model.save(filepath, overwrite=True)


class _Fields(Logs[Any]):
    """The names that a template may use. A missing name is noted and formats as "nan"."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names)
        self.missing: list[str] = []

    def __missing__(self, key: str) -> Any:
        try:
            return super().__missing__(key)
        except KeyError:
            self.missing.append(key)
            return _Missing()


class _Missing:
    def __format__(self, spec: str) -> str:
        return "nan"
