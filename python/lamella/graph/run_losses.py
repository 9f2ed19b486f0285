"""RunLosses: what a run adds to the loss."""

from __future__ import annotations

import threading
from typing import Any


class RunLosses(threading.local):
    """The losses that were added in the last run of this thread: predict beside fit adds to none of fit's.

    A copy, by pickle or deepcopy, knows of none.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []  # Any: Tensors or ndarrays
        self.run: object = None  # the run that they were added in, whose calls' losses add up; None: a call by hand

    def __reduce__(self) -> tuple[type[RunLosses], tuple[()]]:
        return RunLosses, ()
