"""Checks of arguments of optimizers' constructors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lamella.core import config
from lamella.core.variable import Variable

if TYPE_CHECKING:
    from lamella.optimizers.base import Optimizer


class Hyperparameter(Variable):
    """A number that steps read, which stays finite however it is set: opt.lr = x, K.set_value(opt.lr, x), opt.lr.assign(x)."""

    __slots__ = ()

    def assign(self, new: ArrayLike) -> None:
        """Write a number.

        Args:
            new: The number.

        Raises:
            ValueError: It is NaN or infinite, or an array. The old number stays.
        """
        if not np.all(np.isfinite(np.asarray(new, self.value.dtype))):
            raise ValueError(f"expected a finite {self.name.removesuffix(':0')}, got {new!r}")
        super().assign(new)


def epsilon_or_default(epsilon: float | None) -> float:
    """epsilon, or the current value of K.epsilon() for None. A later K.set_epsilon does not change it.

    Raises:
        ValueError: It is below 0.
    """
    given = bound("epsilon", epsilon)
    return config.epsilon() if given is None else given


def bound(name: str, value: float | None) -> float | None:
    """A bound of gradients: a number >= 0, or None.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return None
    if isinstance(value, str) or np.ndim(value) != 0 or not value >= 0:
        raise ValueError(f"expected {name} to be a number >= 0, got {value!r}")
    if value == np.inf:
        raise ValueError(f"expected {name} to be finite, got {value!r}")
    return float(value)


def weight_decay_of(optimizer: Optimizer, value: float) -> Variable:
    """weight_decay as a hyperparameter of an optimizer.

    Args:
        optimizer: The optimizer, for messages.
        value: A number, or a Variable, whose current value is used.

    Raises:
        TypeError: It is not a number.
        ValueError: It is below 0, NaN or infinite.
    """
    number = optimizer.number("weight_decay", value)
    if float(number) < 0:
        raise ValueError(f"{type(optimizer).__name__}: expected weight_decay to be a number >= 0, got {value!r}")
    return number


def steps(value: object) -> int | None:
    """gradient_accumulation_steps: an integer >= 1, or None.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"expected gradient_accumulation_steps to be None or an integer >= 1, got {value!r}")
    return int(value)
