"""Settings of the process: instruction set, threads, the pool of memory, and the rules of Keras 2.2.5 or tf.keras."""

from __future__ import annotations

import os

from lamella import _kernels
from lamella.core.config import dialect as dialect
from lamella.core.config import legacy_frozen_batch_norm as legacy_frozen_batch_norm
from lamella.core.config import max_file_bytes as max_file_bytes
from lamella.core.config import set_dialect as set_dialect
from lamella.core.config import set_legacy_frozen_batch_norm as set_legacy_frozen_batch_norm
from lamella.core.config import set_max_file_bytes as set_max_file_bytes
from lamella.core.pool import PoolCounts as PoolCounts
from lamella.core.pool import empty_pool as empty_pool
from lamella.core.pool import pool_counts as pool_counts
from lamella.core.pool import pool_limit as pool_limit
from lamella.core.pool import set_pool_limit as set_pool_limit


def targets() -> list[str]:
    """The instruction sets in this build that this machine can run, the best first."""
    return _kernels.targets()


def target() -> str:
    """The instruction set in use: the best one, or the one that LAMELLA_TARGET names."""
    return _kernels.target()


def num_threads() -> int:
    """The number of threads for kernels."""
    return _kernels.num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads for kernels. Results do not depend on it.

    Args:
        n: The number. At most four for each CPU are made.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: expected an int, got {n!r}")
    if n < 1:
        raise ValueError(f"set_num_threads: expected at least 1 thread, got {n}")
    _kernels.set_num_threads(min(n, 4 * (os.cpu_count() or 1)))
