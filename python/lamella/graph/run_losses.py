"""RunLosses: the losses that layers add in a run."""

from __future__ import annotations

import threading
from typing import Any


class RunLosses(threading.local):
    """The losses that were added in the last run of this thread, so that predict in one thread does not affect fit in another.

    A copy, by pickle or deepcopy, is empty.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []  # Any: Tensors or ndarrays
        self.run: object = None  # the run in which they were added; None for a call outside of a run

    def __reduce__(self) -> tuple[type[RunLosses], tuple[()]]:
        return RunLosses, ()
