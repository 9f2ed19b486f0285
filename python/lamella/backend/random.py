"""K: random values. Without a seed each call uses a new key; the same seed gives the same numbers.

The result is an array of floatx or of `dtype`. In an operation with a symbolic tensor it is a constant of the graph, the same in
each run. For new numbers in each run use a layer's call(), K.dropout, or a symbolic size such as those of K.shape(x).
Source: Keras 2.2.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella.core.config import floatx
from lamella.core.names import next_uid
from lamella.core.random import generator
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs

__all__ = [
    "random_binomial", "random_normal", "random_normal_variable", "random_uniform", "random_uniform_variable",
    "truncated_normal",
]  # fmt: skip


@in_graphs
def random_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Normally distributed numbers.

    Args:
        shape: The sizes.
        mean: The mean.
        stddev: The standard deviation.
        dtype: The dtype; None is floatx.
        seed: The same seed gives the same numbers; None gives new ones in each call.

    Raises:
        ValueError: A size is None.
    """
    return (
        generator(seed, "random")
        .normal(mean, stddev, _sizes(shape, "random_normal"))
        .astype(floatx() if dtype is None else dtype)
    )


@in_graphs
def random_uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Uniformly distributed numbers in [minval, maxval); see `random_normal` for the other arguments."""
    return (
        generator(seed, "random")
        .uniform(minval, maxval, _sizes(shape, "random_uniform"))
        .astype(floatx() if dtype is None else dtype)
    )


@in_graphs
def random_binomial(shape: Sequence[int], p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Array:
    """Numbers that are 1 with probability p, else 0; see `random_normal` for the other arguments."""
    return (generator(seed, "random").random(_sizes(shape, "random_binomial")) <= p).astype(
        floatx() if dtype is None else dtype
    )


@in_graphs
def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """As `random_normal`, but numbers further than two standard deviations from the mean are drawn again."""
    stream = generator(seed, "random")
    draws = stream.standard_normal(_sizes(shape, "truncated_normal"))
    while (outside := np.abs(draws) > 2).any():
        draws = np.where(outside, stream.standard_normal(draws.shape), draws)
    return np.asarray(draws * stddev + mean).astype(floatx() if dtype is None else dtype)


@checked
def random_normal_variable(
    shape: Sequence[int],
    mean: float,
    scale: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """A Variable with normally distributed initial numbers; see `random_normal` for the other arguments.

    Args:
        scale: The standard deviation.
        name: Name of the Variable; None for a default name.
    """
    return _variable(random_normal(shape, mean, scale, dtype, seed), name)


@checked
def random_uniform_variable(
    shape: Sequence[int],
    low: float,
    high: float,
    dtype: str | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Variable:
    """A Variable with uniformly distributed initial numbers in [low, high); see `random_normal_variable`."""
    return _variable(random_uniform(shape, low, high, dtype, seed), name)


def _variable(value: Array, name: str | None) -> Variable:
    return Variable(value, f"{name or 'Variable_' + str(next_uid('Variable'))}:0")


def _sizes(shape: Sequence[int], who: str) -> tuple[int, ...]:
    sizes = tuple(None if size is None else int(size) for size in shape)
    if None in sizes:
        raise ValueError(
            f"K.{who}: expected sizes, got {sizes}; for the sizes of a symbolic tensor use K.shape, or draw in a layer's call()"
        )
    return sizes
