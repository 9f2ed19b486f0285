"""Projections of weights after each update: a constraint maps an array to a new array.

Norms are computed over `axis`: 0 for a dense kernel [in, out], [0, 1, 2] for the kernel [H, W, in, out] of a convolution.
Source: Keras 2.2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.core import config, configurable
from lamella.core.configurable import Configurable
from lamella.core.configurable import serialize as serialize
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.ops.broadcast import elementwise
from lamella.ops.tape import array_of

Axis = int | Sequence[int]


class Constraint(Configurable):
    """Base class. A subclass defines `__call__(w)`, which returns a new array of the same shape."""

    def __call__(self, w: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(w), which returns the projected weight")


def _norms(w: Array, axis: Axis) -> Array:
    """The norms over `axis`, which are kept with size 1."""
    where = axis if isinstance(axis, int) else tuple(axis)
    if isinstance(w, np.ndarray) and w.dtype.kind == "f":
        return np.sqrt(array_of(ops.sum(elementwise(np.multiply, w, w), axis=where, keepdims=True)))
    norms: Array = np.sqrt(np.sum(np.square(w), axis=where, keepdims=True))
    return norms


def _scaled(w: Array, factors: Array) -> Array:
    return elementwise(np.multiply, w, factors) if isinstance(w, np.ndarray) else w * factors


@register("constraints", "max_norm", "maxnorm")
class MaxNorm(Constraint):
    """w * min(norm, max_value) / (epsilon + norm).

    Args:
        max_value: Largest norm.
        axis: Axis or axes over which a norm is computed.
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        return _scaled(w, np.clip(norms, 0, self.max_value) / (config.epsilon() + norms))


@register("constraints", "non_neg", "nonneg")
class NonNeg(Constraint):
    """w where w >= 0, else 0."""

    def __call__(self, w: Array) -> Array:
        return w * (w >= 0)


@register("constraints", "unit_norm", "unitnorm")
class UnitNorm(Constraint):
    """w / (epsilon + norm).

    Args:
        axis: Axis or axes over which a norm is computed.
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        norms = config.epsilon() + _norms(w, self.axis)
        return elementwise(np.true_divide, w, norms) if isinstance(w, np.ndarray) else w / norms


@register("constraints", "min_max_norm")
class MinMaxNorm(Constraint):
    """w * desired / (epsilon + norm), desired = rate * clip(norm, min_value, max_value) + (1 - rate) * norm.

    Args:
        min_value: Least norm.
        max_value: Largest norm.
        rate: Fraction of the correction that one step makes.
        axis: Axis or axes over which a norm is computed.
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        desired = self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return _scaled(w, desired / (config.epsilon() + norms))


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm
maxnorm = MaxNorm
nonneg = NonNeg
unitnorm = UnitNorm


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint of a name or config.

    Args:
        config: A name, {"class_name": ..., "config": ...}, or a constraint, which is returned itself.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The name is unknown ("Unknown constraint: foo").
    """
    return configurable.deserialize("constraints", config, custom_objects)


def get(identifier: Any) -> Callable[[Array], Array] | None:  # Any: a name, a config, a constraint, a function
    """The constraint that `identifier` names or describes.

    Args:
        identifier: None, a name, a config, or a constraint or function, which is returned itself.

    Raises:
        ValueError: The name is unknown ("Unknown constraint: foo").
    """
    found: Callable[[Array], Array] | None = deserialize(identifier)
    return found
