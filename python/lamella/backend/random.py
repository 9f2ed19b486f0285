"""K: random values. Without a seed each call takes a fresh key; the same seed gives the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella.core.config import floatx
from lamella.core.names import next_uid
from lamella.core.random import generator
from lamella.core.variable import Variable

__all__ = [
    "random_binomial", "random_normal", "random_normal_variable", "random_uniform", "random_uniform_variable",
    "truncated_normal",
]  # fmt: skip

Array = NDArray[Any]


def random_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    return generator(seed, "random").normal(mean, stddev, tuple(shape)).astype(dtype or floatx())


def random_uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    return generator(seed, "random").uniform(minval, maxval, tuple(shape)).astype(dtype or floatx())


def random_binomial(shape: Sequence[int], p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Array:
    """1 with probability p, else 0."""
    return (generator(seed, "random").random(tuple(shape)) <= p).astype(dtype or floatx())


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Normal; draws beyond two standard deviations are drawn again."""
    stream = generator(seed, "random")
    draws = stream.standard_normal(tuple(shape))
    while (outside := np.abs(draws) > 2).any():
        draws = np.where(outside, stream.standard_normal(tuple(shape)), draws)
    return np.asarray(draws * stddev + mean).astype(dtype or floatx())


def random_normal_variable(
    shape: Sequence[int],
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    return _variable(random_normal(shape, mean, scale, dtype, seed), name)


def random_uniform_variable(
    shape: Sequence[int],
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    return _variable(random_uniform(shape, low, high, dtype, seed), name)


def _variable(value: Array, name: str | None) -> Variable:
    return Variable(value, f"{name or 'Variable_' + str(next_uid('Variable'))}:0")
