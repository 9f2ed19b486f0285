"""The pool that gives memory to the arrays of steps.

malloc returns large freed blocks to the system, so each step would have page faults for the same arrays again. While a step
runs, NumPy gets the memory of its arrays from a pool (cpp/core/pool.cpp) instead: `in_pool` makes the pool NumPy's memory
handler during one call, in this thread and context (NEP 49). These are ordinary arrays that own their memory and may be kept.
The memory returns to the pool when the last reference to the array is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from lamella import _kernels

# in_pool(function, *arguments, **named): calls the function, and returns its result.
from lamella._kernels import in_pool as in_pool


class PoolCounts(NamedTuple):
    """What `lamella.config.pool_counts` returns.

    Attributes:
        in_use: Bytes of the arrays that exist.
        free: Bytes that are kept for later arrays.
        most_in_use: The largest `in_use` since the pool was last emptied, in bytes.
        arrays: Number of arrays that the pool has served since the process began.
        fresh: Number of those whose memory came from the system, at least in part.
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
    """The limit in bytes of the free memory that the pool keeps.

    None: twice the most bytes that were in use at one time since the pool was last emptied.
    """
    limit = _kernels.pool_limit()
    return None if limit < 0 else limit


def set_pool_limit(limit: int | None) -> None:
    """Set the limit of the free memory that the pool keeps, for the whole process. If it has more, it is emptied.

    Args:
        limit: Bytes. With 0, steps use NumPy's own memory instead of the pool. None is the default, see `pool_limit`.

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
    """Return the free memory to the system, and the memory in use as soon as its arrays are gone.

    The deletion of a model that has run and `K.clear_session` do so too. The end of `fit` only offers the memory (`offer_pool`).

    Returns:
        The number of bytes that were returned at once.
    """
    return _kernels.empty_pool()


def offer_pool() -> None:
    """Let the system take the free memory when it needs it. Until then it is used for new arrays without page faults.

    The end of `fit` does this. The offered memory is still counted as free, and as resident memory of the process.
    """
    _kernels.offer_pool()
