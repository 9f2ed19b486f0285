"""BackupAndRestore: a training that was killed goes on as if it had not been."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from lamella.callbacks.base import Callback, CallbackList, Position
from lamella.callbacks.logs import Logs
from lamella.core.files import check_target, replace_file
from lamella.core.random import get_global_state, set_global_state
from lamella.core.warn import warn
from lamella.saving import tree
from lamella.saving.errors import ModelFileError

_VERSION = 3


class BackupAndRestore(Callback):
    """Backs the whole training up, and takes it up again where the last backup was made; put it into the fit that a
    script which is started anew begins with.

    In the backup are weights, optimizer, random numbers, what stateful layers carry over, the state of every callback (see
    Callback.get_state), History, and the place in the data. The same script, on the same data, then ends with the same bits
    as if it had run through: order of samples, dropout, learning rates and what EarlyStopping remembers included. It is
    deleted when training ends well, and stays when an error or Ctrl-C ends it.

    A plain generator is taken to start anew: of the epoch at hand, what was trained on is drawn again and left out. The
    global random numbers of NumPy and Python go on, too; worker threads should not draw from them, see Sequence.

    Args:
        backup_dir: A directory for this training alone, made if need be.
        save_freq: "epoch", or n: after every n-th batch, also in the middle of an epoch.
        double_checkpoint: Keep the last backup but one, too, for the case that the disk damages the last.
        delete_checkpoint: False keeps the backup when training ends well.

    Raises:
        ValueError: Before training if the backup is of another model, optimizer or, within an epoch, of other batches.
        ModelFileError: If it is damaged.
        OSError: If the directory cannot be written to.

    Source: Keras 3, which stores weights and optimizer only; files here are always whole.
    """

    # Its hooks come after all others', History's too: a backup then holds what they made of the same batch.
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
            # Set here only: a batch hook of the class would make logs for every batch.
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
        self._since = 0  # batches

    def set_callbacks(self, callbacks: CallbackList) -> None:
        """The run's callbacks, in order."""
        self.callbacks = callbacks

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        check_target(self._last)
        self._since = 0
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
            # The hooks of this epoch's beginning have been called a second time: undo what they did.
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
            with contextlib.suppress(OSError):  # other files are in it
                os.rmdir(self.backup_dir)

    def _batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self._since += 1
        # A stop that was asked for ends this epoch: the last backup leads here again.
        if self._since == self.save_freq and not self.model.stop_training:
            self._write(self._epoch, batch + 1)
        self._since %= int(self.save_freq)

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
                warn(f"{error}; the backup before it is taken", RuntimeWarning)
        return None

    def _restore(self, backup: dict[str, Any]) -> None:
        self.model.set_training_state(backup["training"])
        states = dict(backup["callbacks"])
        for name, callback in self._others():
            if name in states:
                callback.set_state(states.pop(name))
        if any(states.values()):
            warn(f"BackupAndRestore: the backup holds the state of {', '.join(states)}, not in this fit", RuntimeWarning)
        self.model.stop_training = backup["stopped"]

    def _check_batches(self, backup: dict[str, Any]) -> None:
        if backup["batches"] != self._batches():
            raise ValueError(
                f"{self._last} was made within an epoch of {backup['batches']}, this fit has {self._batches()}; "
                "go on with the same data, or delete it"
            )

    def _batches(self) -> dict[str, Any]:
        return {name: self.params.get(name) for name in ("samples", "steps", "batch_size")}

    def _others(self) -> Iterator[tuple[str, Any]]:
        """The run's callbacks that have a state, each under its class's name and its number among those."""
        seen: Counter[str] = Counter()
        for callback in self._run.callbacks:
            if callback is not self and hasattr(callback, "get_state"):
                name = type(callback).__name__
                yield f"{name} {seen[name]}", callback
                seen[name] += 1

    @property
    def _run(self) -> CallbackList:
        assert self.callbacks is not None, "BackupAndRestore: fit hands the run over"
        return self.callbacks
