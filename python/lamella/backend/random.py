"""K: random values.

Outside of a run the result is a symbolic tensor: each run that reads it draws new numbers, and so does each conversion to an array.
In a run, as in a layer's call(), it is an array. Its dtype is floatx or `dtype`.

Without a seed the numbers follow from the stream of random numbers of the package or, in training, of the model. With a seed they
are the same in each run outside of training; in training they follow from the seed, the number of the step and that of the draw
in the step, so that steps differ and a resumed training draws the same. In TensorFlow the n-th run of a session draws the n-th
numbers of a seed.

Source: Keras 2.2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lamella.core.config import floatx
from lamella.core.random import draw_key, generator, generator_of, in_step, next_seed
from lamella.core.scopes import variable_name
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs
from lamella.graph.made_in_calls import kept
from lamella.ops.arrays import standard_normal

__all__ = [
    "random_binomial", "random_normal", "random_normal_variable", "random_uniform", "random_uniform_variable",
    "truncated_normal",
]  # fmt: skip

_draws = partial(in_graphs, draws=True)


@_draws
def random_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Normally distributed numbers.

    Args:
        shape: The sizes; numbers, or symbolic sizes such as those of K.shape(x).
        mean: The mean.
        stddev: The standard deviation.
        dtype: The dtype; None is floatx.
        seed: See the top of this file; None is the stream of random numbers.
    """
    double = np.dtype(floatx() if dtype is None else dtype).char == "d"
    sizes, shift, scale = _sizes(shape, "random_normal"), np.asarray(mean), np.asarray(stddev)
    draws = standard_normal((count(sizes),), np.float64 if double else np.float32, _key(seed)).reshape(sizes)
    draws *= scale
    draws += shift
    return _as(draws, dtype)


@_draws
def random_uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Uniformly distributed numbers in [minval, maxval), whole ones for a dtype of integers.

    shape, dtype and seed as in `random_normal`.
    """
    stream, sizes, kind = _generator(seed), _sizes(shape, "random_uniform"), np.dtype(floatx() if dtype is None else dtype)
    if kind.kind in "iu":
        return np.asarray(stream.integers(np.asarray(minval), np.asarray(maxval), sizes, kind.type))
    return _as(stream.uniform(minval, maxval, sizes), dtype)


@_draws
def random_binomial(shape: Sequence[int], p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Array:
    """Numbers that are 1 with probability p, else 0. shape, dtype and seed as in `random_normal`."""
    return _as(_generator(seed).random(_sizes(shape, "random_binomial")) <= p, dtype)


@_draws
def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None, seed: int | None = None
) -> Array:
    """Normally distributed numbers. Those further than two standard deviations from the mean are drawn again.

    The arguments are those of `random_normal`.
    """
    stream = _generator(seed)
    draws = stream.standard_normal(_sizes(shape, "truncated_normal"))
    while (outside := np.abs(draws) > 2).any():
        draws = np.where(outside, stream.standard_normal(draws.shape), draws)
    return _as(np.asarray(draws * stddev + mean), dtype)


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
    return _variable(lambda: random_normal(shape, mean, scale, dtype, seed), name, ("random_normal", tuple(shape), dtype))


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
    return _variable(lambda: random_uniform(shape, low, high, dtype, seed), name, ("random_uniform", tuple(shape), dtype))


def _key(seed: int | None) -> tuple[int, int]:
    """The key of a kernel that draws, like `_generator`."""
    if in_step() and seed is not None:
        return draw_key(seed)
    return next_seed("random") if seed is None else int(seed) % 2**63, 0


def _generator(seed: int | None) -> np.random.Generator:
    return generator(seed, "random") if seed is None or not in_step() else generator_of(draw_key(seed))


def _as(draws: Any, dtype: str | None) -> Array:
    return np.asarray(draws, floatx() if dtype is None else dtype)


def _variable(draw: Callable[[], Array], name: str | None, kind: object) -> Variable:
    return kept(lambda: Variable(np.asarray(draw()), variable_name(name)), kind)


def _sizes(shape: Sequence[int], who: str) -> tuple[int, ...]:
    sizes = tuple(None if size is None else int(size) for size in shape)
    if None in sizes:
        raise ValueError(
            f"K.{who}: expected sizes, got {sizes}; for the sizes of a symbolic tensor use K.shape, or draw in a layer's call()"
        )
    return sizes
