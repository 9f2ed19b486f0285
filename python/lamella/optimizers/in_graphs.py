"""Optimizers in graphs of K: the gradients that K.function computes, and the steps that it makes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lamella.core import registry
from lamella.core.atomic import Call, commit
from lamella.core.graphs import GraphTensor, GraphUpdate
from lamella.core.types import Array, Value
from lamella.core.variable import Variable

if TYPE_CHECKING:
    from lamella.optimizers.base import Optimizer


class Step(GraphUpdate):
    """One step of an optimizer, made after the outputs of a K.function: weights, slots and constraints."""

    def __init__(self, optimizer: Optimizer, params: Sequence[Variable], gradients: Sequence[Any]) -> None:
        self.optimizer, self.tensors = optimizer, list(gradients)
        self._variables = list(params)
        self._params = [variable.value for variable in params]

    @property
    def projections(self) -> list[Call]:
        """The calls that apply the constraints of the parameters."""
        return [(v.apply_constraint, ()) for v in self._variables if v.constraint is not None]

    def apply(self, values: list[Array]) -> None:
        rule: Any = self.optimizer
        if rule.commits:
            rule.step_and(self._params, values, projections=self.projections)
        elif rule.applies_constraints:
            rule.step(self._params, values, constraints=[v.constraint for v in self._variables])
        else:
            rule.step(self._params, values)
            commit(self.projections)


def in_either_order(get_updates: Callable[..., Any]) -> Callable[..., Any]:
    """get_updates(loss, params) that also takes the arguments of Keras 1: (params, constraints, loss)."""

    @functools.wraps(get_updates)
    def made(self: Any, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 3 or (len(arguments) == 2 and "loss" in named):
            return get_updates(self, loss=named.get("loss", arguments[-1]), params=arguments[0])
        return get_updates(self, *arguments, **named)

    return made


def gradients_of(loss: Any, params: Any, who: str, allowed: tuple[type, ...] = (Variable,)) -> tuple[list[Variable], list[Any]]:
    """The Variables, and the gradient of a symbolic loss for each.

    Args:
        loss: A scalar tensor of a graph of K.
        params: A list of Variables.
        who: The method, for messages.
        allowed: The classes that an entry of params may have.

    Raises:
        TypeError: The loss is not a tensor of a graph, or a parameter is not a Variable.
        ValueError: The loss does not depend on a parameter.
    """
    variables = list(params) if isinstance(params, (list, tuple)) else [params]
    if not isinstance(loss, GraphTensor) or not all(isinstance(v, allowed) for v in variables):
        raise TypeError(
            f"{who}: expected a symbolic loss and a list of Variables, got {type(loss).__name__} and "
            f"{[type(v).__name__ for v in variables]}; optimizer.step takes arrays of parameters and gradients"
        )
    registry.names("functions")  # loads K, which defines the gradients
    found = loss.gradients(variables)
    missing = [v.name for v, g in zip(variables, found) if g is None]
    if missing:
        raise ValueError(
            "An operation has `None` for gradient. Please make sure that all of your ops have a gradient defined (i.e. are "
            "differentiable). Common ops without gradient: K.argmax, K.round, K.eval. "
            f"{who}: the loss does not depend on {missing}"
        )
    return variables, list(found)


def clip_norm(g: Value, c: float, n: Value) -> Value:
    """g * c / n if n >= c, else g.

    Args:
        g: A gradient of any shape: an array, Tensor or symbolic tensor.
        c: The bound; 0 or less is no bound.
        n: The norm, a scalar.

    Source: Keras 2.2.5.
    """
    if c <= 0:
        return g
    return registry.get("functions", "switch")(n >= c, g * (c / n), g)


def clipped(gradients: list[Any], clipnorm: float | None, per_tensor: float | None, clipvalue: float | None) -> list[Any]:
    """Symbolic gradients, clipped as in a step."""
    total, square, sqrt, clip = (registry.get("functions", name) for name in ("sum", "square", "sqrt", "clip"))
    if clipnorm:
        norm = sqrt(sum(total(square(g)) for g in gradients))
        gradients = [clip_norm(g, clipnorm, norm) for g in gradients]
    if per_tensor:
        gradients = [clip_norm(g, per_tensor, sqrt(total(square(g)))) for g in gradients]
    return [clip(g, -clipvalue, clipvalue) for g in gradients] if clipvalue else gradients
