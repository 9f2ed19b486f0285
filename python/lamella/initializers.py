"""Initial values of weights: `initializer(shape, dtype=None)` returns a new array.

Source: Keras 2.2.5. Random streams are Philox (core/random.py), so values differ from TensorFlow's; their distributions are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from lamella.core import budget, config, configurable
from lamella.core.configurable import Configurable
from lamella.core.configurable import serialize as serialize
from lamella.core.random import generator
from lamella.core.registry import register, register_factory
from lamella.core.shapes import count
from lamella.core.types import Array

# The standard deviation of a standard normal distribution that is truncated at two sigma. Keras divides by it, so that the
# variance is the requested one.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer(Configurable):
    """Base class. A subclass defines `__call__(shape, dtype=None)`, which returns a new array.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None), which returns an array")


@register("initializers", "zeros", "zero")
class Zeros(Initializer):
    """Zeros."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.zeros(shape, dtype or config.floatx())


@register("initializers", "ones", "one")
class Ones(Initializer):
    """Ones."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.ones(shape, dtype or config.floatx())


@register("initializers", "constant")
class Constant(Initializer):
    """A constant.

    Args:
        value: A number, or an array that can be broadcast to the shape.
    """

    def __init__(self, value: ArrayLike = 0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.full(shape, self.value, dtype or config.floatx())


@register("initializers", "normal", "random_normal")
class RandomNormal(Initializer):
    """Normally distributed numbers.

    Args:
        mean: Mean.
        stddev: Standard deviation.
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        draws = generator(self.seed).standard_normal(tuple(shape), np.dtype(dtype or config.floatx()))
        return _scaled(draws, self.stddev, self.mean)


@register("initializers", "uniform", "random_uniform")
class RandomUniform(Initializer):
    """Uniformly distributed numbers.

    Args:
        minval: Least value.
        maxval: Upper bound.
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        draws = generator(self.seed).random(tuple(shape), np.dtype(dtype or config.floatx()))
        return _scaled(draws, self.maxval - self.minval, self.minval)


@register("initializers", "truncated_normal")
class TruncatedNormal(Initializer):
    """Normally distributed numbers. Those further than two standard deviations from the mean are drawn again.

    Args:
        mean: Mean.
        stddev: Standard deviation before truncation.
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return _scaled(_truncated(shape, generator(self.seed), dtype), self.stddev, self.mean)


def _truncated(shape: Sequence[int], stream: np.random.Generator, dtype: str | None) -> Array:
    """Standard normal numbers between -2 and 2."""
    draws: Array = stream.standard_normal(count(shape), np.dtype(dtype or config.floatx()))
    outside = np.flatnonzero(np.abs(draws) > 2.0)
    while outside.size:
        draws[outside] = stream.standard_normal(outside.size, draws.dtype)
        outside = outside[np.abs(draws[outside]) > 2.0]
    return draws.reshape(shape)


def _scaled(draws: Array, scale: float, shift: float) -> Array:
    """scale * draws + shift, computed in place, because the largest weights have hundreds of megabytes."""
    draws *= scale
    draws += shift
    return draws


@register("initializers")
class VarianceScaling(Initializer):
    """Random numbers of variance scale / n, where n depends on the weight's shape.

    Args:
        scale: Factor of the variance, above 0.
        mode: n is "fan_in", "fan_out", or their mean with "fan_avg".
        distribution: "normal" is truncated at two sigma, with the variance corrected; "uniform" is on +-sqrt(3 scale / n).
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.

    Raises:
        ValueError: An argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
        distribution: Literal["normal", "uniform"] = "normal",
        seed: int | None = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"`scale` must be a positive float. Got: {scale}")
        self.mode = _one_of(mode, "mode", ("fan_in", "fan_out", "fan_avg"))
        self.distribution = _one_of(distribution, "distribution", ("normal", "uniform"))
        self.scale = scale
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        fan_in, fan_out = _compute_fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        stream = generator(self.seed)
        if self.distribution == "normal":
            return _scaled(_truncated(shape, stream, dtype), float(np.sqrt(variance)) / _TRUNCATED_STDDEV, 0.0)
        limit = float(np.sqrt(3.0 * variance))
        return _scaled(stream.random(tuple(shape), np.dtype(dtype or config.floatx())), 2.0 * limit, -limit)


def _one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    """`value` in lower case, which must be one of `choices`."""
    chosen = value.lower()
    if chosen not in choices:
        raise ValueError(f"Invalid `{name}` argument: expected one of {choices} but got {value}")
    return chosen


def _compute_fans(shape: Sequence[int], data_format: str = "channels_last") -> tuple[float, float]:
    """(fan_in, fan_out) of a weight. Custom initializers import this function.

    Args:
        shape: [in, out] of a dense layer, or [..., in, out] of a convolution. For other numbers of axes both results are the
            square root of the number of elements.
        data_format: With "channels_first" the shape of a convolution is [out, in, ...], as in Theano.

    Raises:
        ValueError: The data format is unknown.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"Invalid data_format: {data_format}")
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) in (3, 4, 5):
        if data_format == "channels_first":
            shape = (*shape[2:], shape[1], shape[0])
        receptive_field = count(shape[:-2])
        return shape[-2] * receptive_field, shape[-1] * receptive_field
    side = float(np.sqrt(count(shape)))
    return side, side


@register("initializers", "orthogonal")
class Orthogonal(Initializer):
    """A matrix [prod(shape[:-1]), shape[-1]] with orthogonal rows or columns of length `gain` (Saxe et al., 1312.6120).

    Args:
        gain: Length of the rows or columns.
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        flat = (count(shape[:-1]), shape[-1])
        # The decomposition takes rows * columns * min(rows, columns) steps. 256 of them take about as long as one element.
        budget.spend(count(flat) * min(flat) // 256, "Orthogonal")
        u, _, v = np.linalg.svd(generator(self.seed).standard_normal(flat), full_matrices=False)
        q = u if u.shape == flat else v
        return (self.gain * q.reshape(shape)).astype(dtype or config.floatx())


@register("initializers", "identity")
class Identity(Initializer):
    """A matrix, also a rectangular one, with `gain` on the diagonal and 0 elsewhere.

    Args:
        gain: The value on the diagonal.

    Raises:
        ValueError: When called with a shape that does not have two axes.

    Source: Keras 2.2.5.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        if len(shape) != 2:
            raise ValueError("Identity matrix initializer can only be used for 2D matrices.")
        return (self.gain * np.eye(shape[0], shape[1])).astype(dtype or config.floatx())


@register_factory("initializers")
def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniformly distributed numbers of variance 1 / fan_in, see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


@register_factory("initializers")
def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 2 / (fan_in + fan_out), see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


@register_factory("initializers")
def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniformly distributed numbers of variance 2 / (fan_in + fan_out), see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


@register_factory("initializers")
def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 2 / fan_in, see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(2.0, "fan_in", "normal", seed)


@register_factory("initializers")
def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 1 / fan_in, see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(1.0, "fan_in", "normal", seed)


@register_factory("initializers")
def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniformly distributed numbers of variance 2 / fan_in, see VarianceScaling.

    Args:
        seed: An int, with which each call returns the same numbers; None for new numbers in each call.
    """
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
orthogonal = Orthogonal
identity = Identity


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer of a name or config.

    Args:
        config: A name, {"class_name": ..., "config": ...}, or an initializer, which is returned itself.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The name is unknown ("Unknown initializer: foo").
    """
    return configurable.deserialize("initializers", config, custom_objects)


def get(identifier: Any) -> Callable[..., ArrayLike] | None:  # Any: a name, a config, an initializer, a function
    """The initializer that `identifier` names or describes.

    Args:
        identifier: None, a name, a config, or an initializer or function, which is returned itself.

    Raises:
        ValueError: The name is unknown ("Unknown initializer: foo").
    """
    found: Callable[..., ArrayLike] | None = deserialize(identifier)
    return found
