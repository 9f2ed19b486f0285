"""The memory of the arrays of steps.

malloc gives large blocks back to the system when they are freed, and the next step pays for their page faults again. So while
a step runs, NumPy gets its arrays from a pool of ours (cpp/core/pool.cpp): `in_pool` makes it NumPy's memory handler for the
time of one call, in this thread and context (NEP 49). An array is an ordinary one that owns its memory, whoever keeps it, and
the memory returns to the pool when the last reference is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from lamella import _kernels

# in_pool(function, *arguments, **named): what the function returns.
from lamella._kernels import in_pool as in_pool


class PoolCounts(NamedTuple):
    """What `lamella.config.pool_counts` returns.

    Attributes:
        in_use: Bytes of arrays.
        free: Bytes that are kept for the next arrays.
        most_in_use: The largest `in_use` since the pool was emptied last, in bytes.
        arrays: Number of arrays that the pool has served since the process began.
        fresh: For how many of them memory, or a part of it, came from the system.
    """

    in_use: int
    free: int
    most_in_use: int
    arrays: int
    fresh: int


def pool_counts() -> PoolCounts:
    """The state of the pool, which serves arrays of 32 KiB and more; smaller ones are not counted."""
    return PoolCounts(*_kernels.pool_counts())


def pool_limit() -> int | None:
    """The most free bytes that the pool keeps.

    None: twice the most that was in use at one time since the pool was emptied last.
    """
    limit = _kernels.pool_limit()
    return None if limit < 0 else limit


def set_pool_limit(limit: int | None) -> None:
    """Set the most free bytes that the pool keeps, for the whole process; where there would be more, it is emptied.

    Args:
        limit: Bytes; with 0 steps use NumPy's own memory instead of the pool. None is the default, see `pool_limit`.

    Raises:
        TypeError: `limit` is neither an int nor None.
        ValueError: `limit` is negative.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise TypeError(f"set_pool_limit: expected an int or None, got {limit!r}")
    if limit is not None and limit < 0:
        raise ValueError(f"set_pool_limit: expected at least 0 bytes, got {limit}")
    _kernels.set_pool_limit(-1 if limit is None else min(limit, 2**63 - 1))


def empty_pool() -> int:
    """Give what is free back to the system, and what is in use as soon as its arrays are gone.

    The end of a model's life and `K.clear_session` do this, too. The end of `fit` only offers it (`offer_pool`).

    Returns:
        Bytes that were given back at once.
    """
    return _kernels.empty_pool()


def offer_pool() -> None:
    """Let the system take what is free when it needs memory; until then it serves the next arrays without page faults.

    The end of `fit` does this. What is offered still counts as free here, and as resident memory of the process.
    """
    _kernels.offer_pool()
