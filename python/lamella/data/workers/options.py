"""WorkerOptions: the options of the workers that prepare the batches of a generator or Sequence."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from threading import TIMEOUT_MAX

from lamella.core.checks import checked_count


@dataclass(frozen=True)
class WorkerOptions:
    """The arguments of the same names of fit, evaluate and predict.

    Args:
        workers: Number of workers. With 0, the calling thread prepares each batch when it is needed.
        max_queue_size: Number of batches that may wait, at least 1.
        use_multiprocessing: Whether the workers are processes instead of threads.
        timeout: Seconds to wait for one batch; None waits without limit.
    """

    workers: int = 1
    max_queue_size: int = 10
    use_multiprocessing: bool = False
    timeout: float | None = None

    def check(self) -> None:
        """Check all options.

        Raises:
            TypeError: An option has a wrong type.
            ValueError: workers < 0, max_queue_size < 1, timeout is out of range, or there is a timeout without workers.
        """
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
                f"timeout={self.timeout!r} needs a worker; with workers=0 the calling thread prepares the batches, and nothing "
                "can interrupt it"
            )
