"""A model is trained by one thread at a time."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

_lock = threading.Lock()


class Exclusive:
    """A `with` block that one thread at a time may be in for a model; the same thread may enter again.

    Raises:  RuntimeError if another thread is in it.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.outer = False

    def __enter__(self) -> None:
        here = threading.get_ident()
        with _lock:
            owner = getattr(self.model, "_trained_by", None)
            if owner is not None and owner != here:
                raise RuntimeError(
                    f"model '{self.model.name}' is being trained by another thread; train a copy, or wait for it"
                )
            self.outer = owner is None
            self.model._trained_by = here

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.outer:
            self.model._trained_by = None
