"""Only one thread at a time may train a model."""

from __future__ import annotations

import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol

from lamella.core.locks import ForkedLock

_lock = ForkedLock()


class Holder:
    """The `with` block that holds a model. It holds the model while its frame is on the stack of its thread.

    So a model is free again if an interrupt ended the block inside its __exit__, if its thread has ended, and in a forked
    child in which the thread does not exist.
    """

    def __init__(self, frame: FrameType) -> None:
        self.thread = threading.get_ident()
        self._frame = frame

    @property
    def runs(self) -> bool:
        """Whether the frame of the block is on the stack of its thread."""
        frame = sys._current_frames().get(self.thread)
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None

    @property
    def here(self) -> bool:
        """Whether the block belongs to this thread."""
        return self.thread == threading.get_ident()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a copy of a model is not held


def claim(owner: Any, attribute: str, frame: FrameType) -> Holder | None:
    """Let the block in `frame` hold owner.attribute, if no other block does.

    Returns:
        None if the block holds it now, else the block that holds it.
    """
    with _lock.current:
        holder: Holder | None = getattr(owner, attribute)
        if holder is not None and holder.runs:
            return holder
        setattr(owner, attribute, Holder(frame))
    return None


class Trained(Protocol):
    """What only one thread at a time may train."""

    name: str
    trained_by: Holder | None


def trainer_of(model: Trained) -> Holder | None:
    """The block that trains the model at this moment, or None."""
    holder = model.trained_by
    return holder if holder is not None and holder.runs else None


class Exclusive:
    """A `with` block that trains a model. Only one thread at a time may be inside; the same thread may enter it again.

    Raises:
        RuntimeError: Another thread is inside.
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
