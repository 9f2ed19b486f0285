"""Random numbers for each sample. They depend only on (seed, pass through the data, sample), not on workers or their order."""

from __future__ import annotations

import zlib

import numpy as np

from lamella.core.types import Array


class SampleDraws:
    """The random generators for the samples of one pass.

    Args:
        seed: 0 <= seed < 2**64.
        number: The number of the pass.
    """

    def __init__(self, seed: int, number: int) -> None:
        self._key = seed, number
        self._generator: np.random.Generator | None = None

    def of(self, sample: int, use: int = 0) -> np.random.Generator:
        """The generator, set to the first random number of a sample. The same object is returned for all samples.

        Args:
            sample: The index of the sample.
            use: The purpose of the numbers. Each use has different numbers.
        """
        if self._generator is None:  # a batch without random changes needs no generator
            self._generator = np.random.Generator(np.random.Philox(key=np.array(self._key, np.uint64)))
            self._start = self._generator.bit_generator.state
        # The first word of the counter counts from 0, so each sample and use has 2**64 blocks of numbers.
        self._start["state"]["counter"][1:3] = sample, use
        self._generator.bit_generator.state = self._start
        return self._generator


def order_of_samples(samples: int, seed: int, number: int, *, shuffle: bool) -> Array:
    """The indices of the samples, in the order of one pass."""
    if not shuffle:
        return np.arange(samples)
    words = np.random.SeedSequence([seed, zlib.crc32(b"shuffle"), number])
    return np.random.Generator(np.random.Philox(words)).permutation(samples)
