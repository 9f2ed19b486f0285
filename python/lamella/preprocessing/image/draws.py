"""Random numbers of single samples: keyed by (seed, pass through the data, sample), whoever draws them and in what order."""

from __future__ import annotations

import zlib

import numpy as np

from lamella.core.types import Array


class SampleDraws:
    """The generators of the samples of one pass.

    Args:
        seed: 0 <= seed < 2**64.
        number: Of the pass.
    """

    def __init__(self, seed: int, number: int) -> None:
        self._bits = np.random.Philox(key=np.array([seed, number], np.uint64))
        self._generator = np.random.Generator(self._bits)
        self._start = self._bits.state

    def of(self, sample: int, use: int = 0) -> np.random.Generator:
        """The generator at the first number of this sample; one object serves all, one after the other.

        Args:
            use: What the numbers are for: each use has numbers of its own.
        """
        # The counter's first word counts on from there: 2**64 blocks of numbers.
        self._start["state"]["counter"][1:3] = sample, use
        self._bits.state = self._start
        return self._generator


def order_of_samples(samples: int, seed: int, number: int, *, shuffle: bool) -> Array:
    """The samples' indices in the order of one pass."""
    if not shuffle:
        return np.arange(samples)
    words = np.random.SeedSequence([seed, zlib.crc32(b"shuffle"), number])
    return np.random.Generator(np.random.Philox(words)).permutation(samples)
