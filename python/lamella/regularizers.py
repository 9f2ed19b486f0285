"""Penalties on weights and outputs: a regularizer maps an array to a scalar that is added to the loss.

Source: Keras 2.2.5 keras/regularizers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamella.core import configurable, registry
from lamella.core.bound_function import bound_lambda
from lamella.core.checks import check_number
from lamella.core.configurable import Configurable
from lamella.core.configurable import serialize as serialize
from lamella.core.graphs import GraphTensor
from lamella.core.registry import register, register_factory
from lamella.core.updates import computing
from lamella.core.variable import Variable
from lamella.ops import sum_absolute, sum_squares


class Regularizer(Configurable):
    """Base class. A subclass defines `__call__(x)`, which returns a scalar."""

    def __call__(self, x: Any) -> Any:  # Any: array or tensor in, scalar of the same kind out
        raise NotImplementedError(f"{type(self).__name__} must define __call__(x), which returns the penalty")


def _number(name: str, value: float) -> float:
    who = f"L1L2: {name}"
    if isinstance(value, Variable):
        raise TypeError(
            f"{who}: expected a number, got {value!r}, whose later values would be ignored; write a Regularizer whose __call__ "
            "reads it"
        )
    check_number(value, who)
    return float(value)


@register("regularizers")
class L1L2(Regularizer):
    """l1 * sum|x| + l2 * sum x^2, without a factor of one half.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.

    Source: Keras 2.2.5.

    Raises:
        TypeError: An argument is not a number. A K.variable is not a number, as in Keras: for a penalty that changes during
            training, write a Regularizer whose __call__ reads the variable in each step.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _number("l1", l1)
        self.l2 = _number("l2", l2)

    def __call__(self, x: Any) -> Any:
        if isinstance(x, GraphTensor) or (isinstance(x, Variable) and not computing()):
            absolute_of, squares_of = _in_graph("abs"), _in_graph("square")
        else:
            absolute_of, squares_of = sum_absolute, sum_squares
        # Operators instead of ops.multiply, because they convert a Python number to the dtype of the tensor.
        absolute: Any = absolute_of(x) if self.l1 else None
        squares: Any = squares_of(x) if self.l2 else None
        if absolute is None:
            return 0.0 if squares is None else self.l2 * squares
        return self.l1 * absolute if squares is None else self.l1 * absolute + self.l2 * squares


def _in_graph(function: str) -> Callable[[Any], Any]:
    """The sum of a function's results, as a tensor of the graph."""
    each, total = registry.get("functions", function), registry.get("functions", "sum")
    return lambda x: total(each(x))


@register_factory("regularizers")
def l1(l: float = 0.01) -> L1L2:  # noqa: E741 - Keras's own argument name
    """L1L2 with only the sum of absolute values.

    Args:
        l: Factor of the sum.
    """
    return L1L2(l1=l)


@register_factory("regularizers")
def l2(l: float = 0.01) -> L1L2:  # noqa: E741
    """L1L2 with only the sum of squares.

    Args:
        l: Factor of the sum.
    """
    return L1L2(l2=l)


@register_factory("regularizers")
def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """L1L2 with both sums.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.
    """
    return L1L2(l1=l1, l2=l2)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer of a name or config.

    Args:
        config: A name, {"class_name": ..., "config": ...}, or a regularizer, which is returned itself.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The name is unknown ("Unknown regularizer: foo").
    """
    return configurable.deserialize("regularizers", config, custom_objects)


def get(identifier: Any) -> Callable[..., Any] | None:
    """The regularizer that `identifier` names or describes.

    Args:
        identifier: None, a name, a config, or a regularizer or function, which is returned itself.

    Raises:
        ValueError: The name is unknown ("Unknown regularizer: foo").
    """
    found: Callable[..., Any] | None = deserialize(identifier)
    return None if found is None else bound_lambda(found)
