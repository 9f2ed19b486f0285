"""The state of callbacks: saved in model files, and restored from a loaded model by the callbacks of the next fit."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any, TypeAlias

import numpy as np

from lamella.callbacks.base import CallbackList
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

# "epoch": how many have ended.  "callbacks": "class", "arguments" (a digest), "state" of each that has one, whether it
# "waits": it was yet to hear of the epoch's end, with these "logs"; and whether it "stops": it has asked for the end.
CallbackState: TypeAlias = dict[str, Any]


def state_of(callbacks: CallbackList) -> CallbackState | None:
    """Of a run at this moment. None where no callback has a state, and after a run that one of those with a state has stopped:
    that training is over, and what comes then is another. A callback without a state, a limit of time, say, only interrupts.
    """
    stopper = callbacks.stopper if callbacks.model.stop_training else None
    entries = []
    for callback in callbacks.users:
        state = callback.get_state() if getattr(callback, "state_in_model_files", False) else None
        if state:
            waits = any(callback is other for other in callbacks.waiting)
            name, arguments = _who(callback)
            stops = callback is stopper
            entries.append({"class": name, "arguments": arguments, "state": _copied(state), "waits": waits, "stops": stops})
    if not entries or (callbacks.over and any(entry["stops"] for entry in entries)):
        return None
    logs = dict(callbacks.logs) if any(entry["waits"] for entry in entries) else {}
    return {"epoch": callbacks.ended, "logs": logs, "callbacks": entries}


def restore(saved: CallbackState | None, callbacks: CallbackList, initial_epoch: int) -> None:
    """Give each callback the state of the one of the same class and arguments, and call the hooks that were yet to come.

    A run that begins with epoch 0 is a new one; it warns of another epoch than the file's.
    """
    if saved is None or initial_epoch == 0:
        return
    if initial_epoch != saved["epoch"]:
        warn(
            f"initial_epoch={initial_epoch}, and the model's file is of epoch {saved['epoch']}: callbacks begin afresh",
            RuntimeWarning,
        )
        return
    left, waiting = list(saved["callbacks"]), []
    for callback in callbacks.users:
        who = _who(callback)
        for i, entry in enumerate(left):
            if (entry["class"], entry["arguments"]) == who:
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
            f"the training that the model's file is of was stopped by a callback after epoch {saved['epoch']}, so there "
            "is nothing to go on with; initial_epoch=0 or other arguments of the callbacks begin another",
            RuntimeWarning,
        )


def _who(callback: Any) -> tuple[str, str]:
    """The class and a digest of the constructor's arguments, as the attributes of their names have them. Those that are no
    JSON, functions and arrays, say, do not count, nor those that change in training, as a part of the state. A digest,
    since paths are among them, and models are given away.
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
    """Dicts and lists anew; arrays, the best weights among them, are not written to again."""
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, (list, tuple)) else state
