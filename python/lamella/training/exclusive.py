"""A model is trained by one thread at a time."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol

# An RLock: a signal handler may train, too, while this thread holds it.
_lock = threading.RLock()


def _renew_lock() -> None:
    """In a forked child: the thread that held the lock may not exist there."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


class Holder:
    """The `with` block that holds something: it does so while its frame is on the stack of its thread.

    So nothing stays held by a block that an interrupt cut off within its __exit__, by a thread that has ended, or, in a
    forked child, by a thread that exists in the parent only.
    """

    def __init__(self, frame: FrameType) -> None:
        self.thread = threading.get_ident()
        self._frame = frame

    @property
    def runs(self) -> bool:
        frame = sys._current_frames().get(self.thread)
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None

    @property
    def here(self) -> bool:
        """Whether it runs in this thread."""
        return self.thread == threading.get_ident()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # nobody holds a copy


def claim(owner: Any, attribute: str, frame: FrameType) -> Holder | None:
    """None: the block in `frame` holds owner.attribute from now on. Else the block that does."""
    with _lock:
        holder: Holder | None = getattr(owner, attribute)
        if holder is not None and holder.runs:
            return holder
        setattr(owner, attribute, Holder(frame))
    return None


class Trained(Protocol):
    """What one thread at a time may train."""

    name: str
    trained_by: Holder | None


def trainer_of(model: Trained) -> Holder | None:
    """The block that trains the model now."""
    holder = model.trained_by
    return holder if holder is not None and holder.runs else None


class Exclusive:
    """A `with` block that one thread at a time may be in for a model; the same thread may enter again.

    Raises:
        RuntimeError: If another thread is in it.
    """

    def __init__(self, model: Trained) -> None:
        self.model = model
        self.outer = False

    def __enter__(self) -> None:
        other = claim(self.model, "trained_by", sys._getframe(1))
        if other is not None and not other.here:
            raise RuntimeError(f"model '{self.model.name}' is being trained by another thread; train a copy, or wait for it")
        self.outer = other is None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.outer:
            self.model.trained_by = None
