"""Callback: the hooks of a training run; CallbackList: calls them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from lamella.callbacks.logs import Logs
from lamella.core.flags import check_flags
from lamella.core.warn import warn

Params = Mapping[str, Any]  # batch_size, epochs, steps, samples, verbose, do_validation, metrics

_BATCH_HOOKS = {
    mode: tuple(f"on_{name}_{when}" for name in names for when in ("begin", "end"))
    for mode, names in (("train", ("train_batch", "batch")), ("test", ("test_batch",)), ("predict", ("predict_batch",)))
}


class Callback:
    """Base of callbacks. `logs` is the run's own dict: what a callback writes on_epoch_end, later ones and History see.

    Attributes:
        params: What fit was given, as in Keras.
        model: The model that is trained.
        validation_data: The user's own arrays, set by fit.
        state_names: Attributes that a resumed run continues with, see BackupAndRestore.
        state_in_model_files: Whether model.save writes the state, too, see load_model.

    Source: Keras 2.2.5, but for the state.
    """

    state_names: tuple[str, ...] = ()
    state_in_model_files = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_flags(cls)

    def __init__(self) -> None:
        self.validation_data: list[Any] | None = None
        self.model: Any = None  # duck-typed: a callback may sit in any loop
        self.params: Params = {}

    def set_params(self, params: Params) -> None:
        self.params = params

    def set_model(self, model: object) -> None:
        self.model = model

    def get_state(self) -> dict[str, Any]:
        """What changes in this callback while it runs: numbers, strings, arrays, and lists and dicts of them."""
        return {name: getattr(self, name) for name in self.state_names if hasattr(self, name)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what get_state returned, after on_train_begin."""
        for name in self.state_names:
            if name in state:
                setattr(self, name, state[name])

    def on_train_begin(self, logs: Logs[Any] | None = None) -> None: ...
    def on_train_end(self, logs: Logs[Any] | None = None) -> None: ...
    def on_test_begin(self, logs: Logs[Any] | None = None) -> None: ...
    def on_test_end(self, logs: Logs[Any] | None = None) -> None: ...
    def on_predict_begin(self, logs: Logs[Any] | None = None) -> None: ...
    def on_predict_end(self, logs: Logs[Any] | None = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_test_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_predict_batch_begin(self, batch: int, logs: Logs[Any] | None = None) -> None: ...
    def on_predict_batch_end(self, batch: int, logs: Logs[Any] | None = None) -> None: ...


def _is_own(callback: object, hook: str) -> bool:
    """Whether a hook of `callback` is overridden in its class, or set on the object."""
    own = getattr(callback, hook, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(Callback, hook)


def _listens(callback: object, mode: str) -> bool:
    """Whether a batch hook of `callback` does anything."""
    return any(_is_own(callback, hook) for hook in _BATCH_HOOKS[mode])


def _written_hook(callback: object, mode: str, when: str) -> str:
    """The name by which `callback` has its own hook: on_batch_end, say, which on_train_batch_end calls."""
    hooks = [hook for hook in _BATCH_HOOKS[mode] if hook.endswith(when)]
    return next((hook for hook in hooks if _is_own(callback, hook)), hooks[0])


def checked_callbacks(callbacks: Any) -> list[Any]:
    """What came as callbacks=, as a list. Raises TypeError for what are no callbacks, by the methods that a run calls first."""
    wrong = f"callbacks: expected a list of callbacks, got {callbacks!r}"
    if not isinstance(callbacks, (list, tuple, type(None))):
        raise TypeError(f"{wrong} of type {type(callbacks).__name__}")
    for callback in callbacks or ():
        if isinstance(callback, type) or not hasattr(callback, "set_params") or not hasattr(callback, "set_model"):
            raise TypeError(wrong)
    return list(callbacks or ())


class Position(NamedTuple):
    """Where a run begins: with `epoch`, or after `batch` of its batches; `reached` is called when it is there."""

    epoch: int
    batch: int = 0
    reached: Callable[[], None] = lambda: None


class CallbackList:
    """Calls each hook of each callback, in order. Batch hooks go only to callbacks that have one of their own.

    Attributes:
        users: Those that came as callbacks=.
        position: Where the run begins, if a callback sets it in on_train_begin.
        ended: How many epochs have, of the whole training.
        waiting: Callbacks that have not been called for the end of the last epoch, and these `logs`.
        stopper: Who set model.stop_training.
        over: Whether the run is.
        failed: Whether an error ended it.
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
        # The sort is stable: all keep their order but those that come last.
        self.callbacks = sorted(callbacks or [], key=lambda callback: getattr(callback, "comes_last", False))
        self.params: Params = {}
        self.model: Any = None  # as a callback's
        self.queue_length = queue_length
        self._listeners: dict[str, list[Any]] = {}
        self._times: dict[str, deque[float]] = {}
        self._slow: set[str] = set()  # the hooks that were warned of
        self._batch_began = 0.0
        self._batch_seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)

    def append(self, callback: Any) -> None:
        self.callbacks.append(callback)
        self._listeners.clear()

    def set_params(self, params: Params) -> None:
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: object) -> None:
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
            if hasattr(callback, "set_callbacks"):
                callback.set_callbacks(self)

    def listeners(self, mode: str) -> Sequence[Any]:
        """Who wants the batch hooks of "train", "test" or "predict"; where nobody does, no batch logs need be made."""
        found = self._listeners.get(mode)
        if found is None:
            found = self._listeners[mode] = [c for c in self.callbacks if _listens(c, mode)]
        return found

    def call(self, hook: str, *args: Any, logs: Logs[Any] | None = None) -> None:
        """One hook of every callback. Keras hands an empty dict on where there are no logs."""
        logs = Logs() if logs is None else logs
        for callback in self.callbacks:
            self._tell(callback, hook, *args, logs)

    def _tell(self, callback: Any, hook: str, *args: Any) -> None:
        getattr(callback, hook)(*args)
        if self.stopper is None and getattr(self.model, "stop_training", False):
            self.stopper = callback

    def call_batch(self, mode: str, when: str, batch: int, logs: Logs[Any] | None = None) -> None:
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
            self._tell(callback, hook, batch, logs)
            end = perf_counter()
            if end - last > longest:
                longest, slowest = end - last, callback
            last = end
        self._watch(hook, last - start, slowest, mode, when)
        if when == "begin":
            self._batch_began = last

    def _watch(self, hook: str, seconds: float, slowest: object, mode: str, when: str) -> None:
        """Warn, once for each hook that a user wrote, if the median of the last calls takes as long as a batch, and long at
        all (Keras's 0.1 s).
        """
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
            self._tell(callback, "on_epoch_end", epoch, self.logs)
