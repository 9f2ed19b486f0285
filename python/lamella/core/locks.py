"""A lock that a fork leaves free."""

from __future__ import annotations

import os
import threading


class ForkedLock:
    """A lock for `with lock.current:` blocks, which their thread may enter again: a signal handler may run in such a block.

    Attributes:
        current: The RLock. A forked child has a new one, because the thread that held the lock may not exist there.
    """

    current: threading.RLock

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.current = threading.RLock()
