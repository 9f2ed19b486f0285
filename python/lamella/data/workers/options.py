"""WorkerOptions: who prepares the batches of a generator or Sequence."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from threading import TIMEOUT_MAX

from lamella.core.checks import checked_count


@dataclass(frozen=True)
class WorkerOptions:
    """The arguments of these names of fit, evaluate and predict.

    Args:
        workers: 0 prepares each batch when it is asked for, in the calling thread.
        max_queue_size: How many batches may wait, at least 1.
        use_multiprocessing: Processes instead of threads.
        timeout: Seconds to wait for one batch; None waits for ever.
    """

    workers: int = 1
    max_queue_size: int = 10
    use_multiprocessing: bool = False
    timeout: float | None = None

    def check(self) -> None:
        """Raises TypeError, ValueError for fewer than 0 workers, a queue below 1, or a timeout that cannot be kept."""
        checked_count("workers", self.workers, least=0)
        checked_count("max_queue_size", self.max_queue_size)
        if self.timeout is None:
            return
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, Real):
            raise TypeError(f"expected timeout to be a number of seconds or None, got {self.timeout!r}")
        if not 0 < self.timeout <= TIMEOUT_MAX:
            raise ValueError(f"expected timeout to be above 0 seconds and at most {TIMEOUT_MAX:.0f}, got {self.timeout!r}")
        if self.workers == 0:
            raise ValueError(
                f"timeout={self.timeout!r} needs a worker that can be left waiting; with workers=0 batches are prepared "
                "in the calling thread, which nothing interrupts"
            )
