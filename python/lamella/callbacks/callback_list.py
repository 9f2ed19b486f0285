"""CallbackList calls the hooks of callbacks, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from lamella.callbacks.base import Callback, Params
from lamella.callbacks.logs import Logs
from lamella.core.warn import warn

_BATCH_HOOKS = {
    mode: tuple(f"on_{name}_{when}" for name in names for when in ("begin", "end"))
    for mode, names in (("train", ("train_batch", "batch")), ("test", ("test_batch",)), ("predict", ("predict_batch",)))
}


def _is_own(callback: object, hook: str) -> bool:
    """Whether the class of `callback` overrides the hook, or the object has it as an attribute."""
    own = getattr(callback, hook, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(Callback, hook)


def _listens(callback: object, mode: str) -> bool:
    """Whether `callback` has a batch hook of its own for this mode."""
    return any(_is_own(callback, hook) for hook in _BATCH_HOOKS[mode])


def _written_hook(callback: object, mode: str, when: str) -> str:
    """The name of the hook that the user wrote, for example on_batch_end, which on_train_batch_end calls."""
    hooks = [hook for hook in _BATCH_HOOKS[mode] if hook.endswith(when)]
    return next((hook for hook in hooks if _is_own(callback, hook)), hooks[0])


def checked_callbacks(callbacks: Any) -> list[Any]:
    """The argument `callbacks` as a list.

    Args:
        callbacks: None, or a list or tuple of callbacks.

    Raises:
        TypeError: It is not a list, or an entry lacks set_params or set_model, which a run calls first.
    """
    wrong = f"callbacks: expected a list of callbacks, got {callbacks!r}"
    if not isinstance(callbacks, (list, tuple, type(None))):
        raise TypeError(f"{wrong} of type {type(callbacks).__name__}")
    for callback in callbacks or ():
        if isinstance(callback, type) or not hasattr(callback, "set_params") or not hasattr(callback, "set_model"):
            raise TypeError(wrong)
    return list(callbacks or ())


class Position(NamedTuple):
    """The place where a run begins: in `epoch`, after `batch` of its batches. The run calls `reached` when it is there."""

    epoch: int
    batch: int = 0
    reached: Callable[[], None] = lambda: None


class CallbackList:
    """Has the hooks of `Callback`, and calls each hook of each callback, in order; batch hooks only where a callback has its own.

    Args:
        callbacks: The callbacks, in the order of their calls. Those with `comes_last` are moved to the end.
        queue_length: Calls of a batch hook over which its median time is taken, for the warning of a slow hook.

    Attributes:
        users: The callbacks that the user passed to fit.
        position: Where the run begins, if a callback set it in on_train_begin.
        ended: Number of epochs of the whole training that have ended.
        waiting: Callbacks whose on_epoch_end is still to be called for the last epoch.
        logs: The logs of the last epoch.
        stopper: The callback that set model.stop_training.
        over: Whether the run has ended.
        failed: Whether an error ended the run.

    Source: Keras 2.2.5; the attributes above are additions.
    """

    users: Sequence[Any] = ()
    position: Position | None = None
    ended = 0
    waiting: Sequence[Any] = ()
    logs: Logs[Any] = Logs()
    stopper: Any = None
    over = False
    failed = False

    def __init__(self, callbacks: Iterable[Any] | None = None, queue_length: int = 10) -> None:
        # The sort is stable: the other callbacks keep their order.
        self.callbacks = sorted(callbacks or [], key=lambda callback: getattr(callback, "comes_last", False))
        self.params: Params = {}
        self.model: Any = None  # Any: as in Callback
        self.queue_length = queue_length
        self._listeners: dict[str, list[Any]] = {}
        self._times: dict[str, deque[float]] = {}
        self._slow: set[str] = set()  # the hooks that were warned about
        self._batch_began = 0.0
        self._batch_seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._listeners.clear()

    def set_params(self, params: Params) -> None:
        """Give the options of the run, `params`, to every callback."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: object) -> None:
        """Give the model to every callback, and this list to those with `set_callbacks`."""
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
            if hasattr(callback, "set_callbacks"):
                callback.set_callbacks(self)

    def listeners(self, mode: str) -> Sequence[Any]:
        """The callbacks that have batch hooks of a mode. Without any, the loop makes no logs for batches.

        Args:
            mode: "train", "test" or "predict".
        """
        found = self._listeners.get(mode)
        if found is None:
            found = self._listeners[mode] = [c for c in self.callbacks if _listens(c, mode)]
        return found

    def call(self, hook: str, *args: Any, logs: Logs[Any] | None = None) -> None:
        """Call one hook of every callback.

        Args:
            hook: Name of the hook.
            *args: Its arguments before `logs`.
            logs: Its logs. Callbacks get an empty dict for None, as in Keras.
        """
        logs = Logs() if logs is None else logs
        for callback in self.callbacks:
            self._call_hook(callback, hook, *args, logs)

    def _call_hook(self, callback: Any, hook: str, *args: Any) -> None:
        getattr(callback, hook)(*args)
        if self.stopper is None and getattr(self.model, "stop_training", False):
            self.stopper = callback

    def call_batch(self, mode: str, when: str, batch: int, logs: Logs[Any] | None = None) -> None:
        """Call a batch hook of the callbacks that have one, and measure the time of each.

        Args:
            mode: "train", "test" or "predict".
            when: "begin" or "end".
            batch: Index of the batch in its epoch.
            logs: Its logs.
        """
        listeners = self.listeners(mode)
        if not listeners:
            return
        logs = Logs() if logs is None else logs
        hook = f"on_{mode}_batch_{when}"
        start = perf_counter()
        if when == "end":
            self._batch_seconds = start - self._batch_began
        last, longest, slowest = start, 0.0, listeners[0]
        for callback in listeners:
            self._call_hook(callback, hook, batch, logs)
            end = perf_counter()
            if end - last > longest:
                longest, slowest = end - last, callback
            last = end
        self._watch(hook, last - start, slowest, mode, when)
        if when == "begin":
            self._batch_began = last

    def _watch(self, hook: str, seconds: float, slowest: object, mode: str, when: str) -> None:
        """Warn once for each hook whose last calls took, by their median, as long as a batch and over 0.1 s, as Keras does."""
        times = self._times.setdefault(hook, deque(maxlen=self.queue_length))
        times.append(seconds)
        if seconds <= 0.1 or len(times) < self.queue_length:
            return
        typical = float(np.median(times))
        if self._batch_seconds > 0.0 and typical > 0.95 * self._batch_seconds and typical > 0.1:
            written = f"{_written_hook(slowest, mode, when)}() of {type(slowest).__name__}"
            if written not in self._slow:
                self._slow.add(written)
                warn(
                    f"Method {written} is slow compared to the batch update ({typical:f}). Check your callbacks.",
                    RuntimeWarning,
                )

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None:
        self.call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs[Any] | None = None) -> None:
        self.over = True
        self.call("on_train_end", logs=logs)

    def on_test_begin(self, logs: Logs[Any] | None = None) -> None:
        self.call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs[Any] | None = None) -> None:
        self.call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Logs[Any] | None = None) -> None:
        self.call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs[Any] | None = None) -> None:
        self.call("on_predict_end", logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("train", "begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("train", "end", batch, logs)

    on_train_batch_begin, on_train_batch_end = on_batch_begin, on_batch_end

    def on_test_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("test", "begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("test", "end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("predict", "begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.call_batch("predict", "end", batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self._times.clear()
        self.call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None:
        self.ended, self.logs = epoch + 1, Logs() if logs is None else logs
        for i, callback in enumerate(self.callbacks, 1):
            self.waiting = self.callbacks[i:]
            self._call_hook(callback, "on_epoch_end", epoch, self.logs)
