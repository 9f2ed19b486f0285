"""Random keys. Every stream is counter-based and keyed by what it belongs to, so order of threads never matters."""

from __future__ import annotations

import random
import zlib

import numpy as np

_seed: int | None = None
_counters: dict[str, int] = {}


def set_random_seed(seed: int) -> None:
    """Seed everything: Python's `random`, NumPy's global state, and all keys that lamella hands out afterwards."""
    global _seed
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**32:
        raise ValueError(f"set_random_seed: expected an integer in [0, 2**32), got {seed!r}")
    _seed = int(seed)
    _counters.clear()
    random.seed(_seed)
    np.random.seed(_seed)


def next_seed(what: str) -> int:
    """A fresh 31-bit key for one owner of the kind `what` ("initializer", "dropout", "shuffle" ...).

    After set_random_seed the n-th owner of a kind always gets the same key. Before it the key comes from NumPy's
    global state, as in Keras 2, so that scripts with `np.random.seed(1)` stay reproducible.
    """
    if _seed is None:
        return int(np.random.randint(0, 2**31 - 1))
    count = _counters.get(what, 0)
    _counters[what] = count + 1
    words = np.random.SeedSequence([_seed, zlib.crc32(what.encode()), count]).generate_state(1)
    return int(words[0]) >> 1


def generator(seed: int | None = None, what: str = "initializer") -> np.random.Generator:
    """A NumPy generator on Philox. The same seed gives the same stream; None takes `next_seed(what)`."""
    return np.random.Generator(np.random.Philox(next_seed(what) if seed is None else int(seed) % 2**64))
