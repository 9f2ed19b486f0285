"""BackupAndRestore: a training that was killed continues as if it had not been interrupted."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from lamella.callbacks.base import Callback
from lamella.callbacks.callback_list import CallbackList, Position
from lamella.callbacks.logs import Logs
from lamella.core.files import check_target, replace_file
from lamella.core.random import get_global_state, set_global_state
from lamella.core.warn import warn
from lamella.saving import tree
from lamella.saving.errors import ModelFileError

_VERSION = 3


class BackupAndRestore(Callback):
    """Saves the complete state of a training, and continues from the last backup when the same script is started again.

    A backup holds the weights, the optimizer, the random streams, the states of stateful layers, the state of every callback
    (see Callback.get_state), History, and the position in the data. The same script on the same data ends with the same bits
    as an uninterrupted run. That includes the order of samples, dropout, learning rates and the state of EarlyStopping. The
    backup is deleted when training ends normally. It stays when an error or Ctrl-C ends the training.

    A plain generator is expected to start from its beginning: the batches of the current epoch that were already trained on
    are drawn again and skipped. The global random states of NumPy and Python are restored too. Worker threads should not draw
    from them, see Sequence.

    Args:
        backup_dir: A directory for this training alone. It is made if it does not exist.
        save_freq: "epoch", or an int n for a backup after every n-th batch, also in the middle of an epoch.
        double_checkpoint: Whether to keep the backup before the last one too, in case the disk damages the last one.
        delete_checkpoint: Whether to delete the backup when training ends normally.

    Raises:
        ValueError: Before training, if the backup is of another model or optimizer, or was made within an epoch of other
            batches.
        ModelFileError: The backup is damaged.
        OSError: The directory cannot be written to.

    Source: Keras 3, which stores only weights and optimizer. Here a file is always complete.
    """

    # Its hooks run after those of all others, History included: a backup then holds their state after the same batch.
    comes_last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if save_freq != "epoch" and (type(save_freq) is not int or save_freq < 1):
            raise ValueError(f'BackupAndRestore: expected save_freq to be "epoch" or a number of batches, got {save_freq!r}')
        if save_freq != "epoch":
            # Set on the object only: with a batch hook on the class, the loop would make logs for every batch.
            setattr(self, "on_train_batch_end", self._batch_end)
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore: expected backup_dir to name a directory, got an empty string")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self.callbacks: CallbackList | None = None
        self._last = os.path.join(self.backup_dir, "training.npz")
        self._last_but_one = os.path.join(self.backup_dir, "training.previous.npz")
        self._unfinished: dict[str, Any] | None = None
        self._epoch = 0
        self._batches_since_backup = 0

    def set_callbacks(self, callbacks: CallbackList) -> None:
        """Store the run's callbacks, whose states a backup holds."""
        self.callbacks = callbacks

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        check_target(self._last)
        self._batches_since_backup = 0
        self._unfinished = None
        backup = self._read()
        if backup is None:
            return
        if backup["batch"]:
            self._check_batches(backup)
            self._unfinished = backup
        self._restore(backup)
        self._run.position = Position(backup["epoch"], backup["batch"], partial(set_global_state, backup["global"]))

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self._epoch = epoch
        if self._unfinished is not None:
            # The on_epoch_begin hooks of this epoch have run a second time: undo what they changed.
            self._restore(self._unfinished)
            self._unfinished = None

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._write(epoch + 1, 0)

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        if self.delete_checkpoint and not self._run.failed:
            for path in (self._last, self._last_but_one):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            with contextlib.suppress(OSError):  # the directory holds other files
                os.rmdir(self.backup_dir)

    def _batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self._batches_since_backup += 1
        # No backup once a callback has stopped the training: a run from the last backup stops here again.
        if self._batches_since_backup == self.save_freq and not self.model.stop_training:
            self._write(self._epoch, batch + 1)
        self._batches_since_backup %= int(self.save_freq)

    def _write(self, epoch: int, batch: int) -> None:
        data = tree.to_bytes(
            {
                "version": _VERSION,
                "epoch": epoch,
                "batch": batch,
                "stopped": bool(self.model.stop_training),
                "batches": self._batches(),
                "global": get_global_state(),
                "training": self.model.get_training_state(within_epoch=batch > 0),
                "callbacks": {name: callback.get_state() for name, callback in self._others()},
            }
        )
        if self.double_checkpoint:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._last, self._last_but_one)
        replace_file(self._last, data)

    def _read(self) -> dict[str, Any] | None:
        paths = [path for path in (self._last, self._last_but_one) if os.path.exists(path)]
        for path in paths:
            try:
                with open(path, "rb") as file:
                    backup: dict[str, Any] = tree.from_bytes(file.read(), path)
                if backup["version"] != _VERSION:
                    raise ModelFileError(path, f"a backup of version {backup['version']}, expected {_VERSION}")
                return backup
            except ModelFileError as error:
                if path == paths[-1]:
                    raise
                warn(f"{error}; the backup before it is used", RuntimeWarning)
        return None

    def _restore(self, backup: dict[str, Any]) -> None:
        self.model.set_training_state(backup["training"])
        states = dict(backup["callbacks"])
        for name, callback in self._others():
            if name in states:
                callback.set_state(states.pop(name))
        if any(states.values()):
            warn(
                f"BackupAndRestore: the backup holds the state of {', '.join(states)}, which this fit does not have",
                RuntimeWarning,
            )
        self.model.stop_training = backup["stopped"]

    def _check_batches(self, backup: dict[str, Any]) -> None:
        if backup["batches"] != self._batches():
            raise ValueError(
                f"{self._last} was made within an epoch of {backup['batches']}, but this fit has {self._batches()}; "
                "continue with the same data, or delete the file"
            )

    def _batches(self) -> dict[str, Any]:
        return {name: self.params.get(name) for name in ("samples", "steps", "batch_size")}

    def _others(self) -> Iterator[tuple[str, Any]]:
        """The run's other callbacks that have a state, each with its class's name and its number within the class."""
        seen: Counter[str] = Counter()
        for callback in self._run.callbacks:
            if callback is not self and hasattr(callback, "get_state"):
                name = type(callback).__name__
                yield f"{name} {seen[name]}", callback
                seen[name] += 1

    @property
    def _run(self) -> CallbackList:
        assert self.callbacks is not None, "BackupAndRestore: fit calls set_callbacks first"
        return self.callbacks
