"""The state of callbacks: model files contain it, and the next fit of a loaded model gives it to its callbacks."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any, TypeAlias

import numpy as np

from lamella.callbacks.callback_list import CallbackList
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

# epoch: number of epochs that have ended.
# callbacks: for each callback that has a state: its class, a digest of its arguments, its state, `waits` (its on_epoch_end
#     is still to be called) and `stops` (it set stop_training).
# logs: of the last epoch, for the callbacks that wait.
CallbackState: TypeAlias = dict[str, Any]


def state_of(callbacks: CallbackList) -> CallbackState | None:
    """The state of a run's callbacks at this moment.

    None if no callback has a state, or if a callback with a state has stopped the run: this training is complete, and the
    next fit is a new one. A callback without a state, such as a time limit, only interrupts a training.
    """
    stopper = callbacks.stopper if callbacks.model.stop_training else None
    entries = []
    for callback in callbacks.users:
        state = callback.get_state() if getattr(callback, "state_in_model_files", False) else None
        if state:
            waits = any(callback is other for other in callbacks.waiting)
            name, arguments = _identity(callback)
            stops = callback is stopper
            entries.append({"class": name, "arguments": arguments, "state": _copied(state), "waits": waits, "stops": stops})
    if not entries or (callbacks.over and any(entry["stops"] for entry in entries)):
        return None
    logs = dict(callbacks.logs) if any(entry["waits"] for entry in entries) else {}
    return {"epoch": callbacks.ended, "logs": logs, "callbacks": entries}


def restore(saved: CallbackState | None, callbacks: CallbackList, initial_epoch: int) -> None:
    """Give each callback the saved state of the one with the same class and arguments, and call the hooks that are missing.

    A run that begins with epoch 0 is a new training and restores nothing. Any other epoch than the file's is a warning.
    """
    if saved is None or initial_epoch == 0:
        return
    if initial_epoch != saved["epoch"]:
        warn(
            f"initial_epoch={initial_epoch}, but the model's file is of epoch {saved['epoch']}: callbacks start without state",
            RuntimeWarning,
        )
        return
    left, waiting = list(saved["callbacks"]), []
    for callback in callbacks.users:
        identity = _identity(callback)
        for i, entry in enumerate(left):
            if (entry["class"], entry["arguments"]) == identity:
                callback.set_state(entry["state"])
                waiting += [callback] if entry["waits"] else []
                if entry["stops"]:
                    callbacks.model.stop_training = True
                del left[i]
                break
    logs = Logs(saved["logs"])
    for callback in waiting:
        callback.on_epoch_end(saved["epoch"] - 1, logs)
    if callbacks.model.stop_training:
        warn(
            f"a callback stopped the training of the model's file after epoch {saved['epoch']}, so nothing is left to train; "
            "initial_epoch=0 or other arguments of the callbacks start a new training",
            RuntimeWarning,
        )


def _identity(callback: Any) -> tuple[str, str]:
    """The name of the class, and a digest of the constructor's arguments, read from the attributes of the same names.

    Arguments that JSON cannot express, such as functions and arrays, do not count. Those that are part of the state do not
    count either. It is a digest because arguments may be private paths, and model files are given to others.
    """
    state = getattr(callback, "state_names", ())
    names = [name for name in inspect.signature(type(callback)).parameters if name not in state]
    text = "\n".join(f"{name} {_text(getattr(callback, name, None))}" for name in names)
    return type(callback).__name__, hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    try:
        return json.dumps(value.item() if isinstance(value, np.generic) else value)
    except (TypeError, ValueError):
        return ""


def _copied(state: Any) -> Any:
    """A copy with new dicts and lists. Arrays are shared: no callback writes to an array of its state."""
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, (list, tuple)) else state
