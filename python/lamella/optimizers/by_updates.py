"""Optimizers that define their rule in Keras's get_updates, by functions of K on Variables and gradients.

Keras runs get_updates once, to make a graph. Here each step runs it on the current values. The n-th Variable that it makes
(K.zeros, K.variable) is the same one in every step. The new values given to K.update are written after everything is computed.
Python code, such as a counter in an attribute, runs again in each step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella.core.atomic import Call, Scope
from lamella.core.graphs import GraphTensor, GraphUpdate
from lamella.core.rows_gradient import dense
from lamella.core.types import Array
from lamella.core.updates import Made, Updates
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.optimizers import in_graphs, memory
from lamella.optimizers.state import Bounds, State, assign, share
from lamella.optimizers.stateful import Stateful

if TYPE_CHECKING:
    from lamella.optimizers.base import Optimizer

GetUpdates = Callable[..., Any]


class StepLoss(GraphTensor):
    """The loss that get_updates receives in a step. It holds the gradients of this step."""

    def __init__(self, variables: Sequence[Variable], gradients: Sequence[Array]) -> None:
        self._by = {id(v): g for v, g in zip(variables, gradients)}

    def gradients(self, variables: Any) -> list[Any]:
        """The gradients of the Variables; None for a Variable that is not a parameter of the step."""
        return [self._by.get(id(v)) for v in (variables if isinstance(variables, (list, tuple)) else [variables])]


def accept_symbolic_loss(get_updates: GetUpdates) -> GetUpdates:
    """A user's get_updates that also accepts a symbolic loss, for which it returns one step of the optimizer for K.function."""

    @functools.wraps(get_updates)
    def made(self: Any, *arguments: Any, **named: Any) -> Any:
        loss = named.get("loss", arguments[-1] if len(arguments) > 2 else arguments[0] if arguments else None)
        if isinstance(loss, StepLoss) or not isinstance(loss, GraphTensor):
            return get_updates(self, *arguments, **named)
        params = named.get("params", arguments[0] if len(arguments) > 2 else arguments[1] if len(arguments) > 1 else None)
        return [in_graphs.Step(self, *in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_updates"))]

    return made


class ByUpdates(Stateful):
    """The methods that replace those of Optimizer in a class with its own get_updates; see `adapt`."""

    get_updates: GetUpdates
    updates: Any = ()
    _listed_weights: Sequence[Variable] = ()
    _steps_as_its_base = False  # whether the last run called super().get_updates, so that the slots of the base class are used
    _given_weights: list[NDArray[Any]] | None = None

    @property
    def commits(self) -> bool:
        return False

    @property
    def weights(self) -> list[Variable]:
        """The weights that get_updates listed, after those of super() if it called super().get_updates.

        Empty before the first step.
        """
        listed = self._listed_weights if isinstance(self._listed_weights, list) else []
        if not self._steps_as_its_base:
            return listed
        self._apply_deferred(self._state)
        return list(dict.fromkeys([*self._all_listed(self._state), *listed]))

    @weights.setter
    def weights(self, weights: Sequence[Variable]) -> None:
        self._listed_weights = list(weights)

    @property
    def was_given_state(self) -> bool:
        return self._given_weights is not None

    def bind(
        self, params: Sequence[Array], names: Sequence[str] | None = None, then: Callable[[State], Call] | None = None
    ) -> State:
        if (self._every or 1) > 1:
            raise NotImplementedError(
                f"{type(self).__name__}: gradient_accumulation_steps works only for optimizers without a get_updates of their own"
            )
        state = Stateful.bind(self, params, names, then)
        run_updates(self, params, [np.zeros_like(p) for p in params])  # makes the Variables
        if self._given_weights is not None:
            assign(self.weights, self._given_weights)
            self._given_weights = None
        return state

    def step(self, params: Sequence[Array], grads: Sequence[Array]) -> bool:
        given, who = params, type(self).__name__
        if params is not self._params:
            params = memory.arrays_over(who, "parameter", params)
            self.select_state(params)
        grads = memory.arrays_over(who, "gradient", grads)
        rule: Any = self
        bounds: Bounds = [], 1.0, rule.clipnorm or 0.0, rule.clipnorm_per_tensor or 0.0, rule.clipvalue or 0.0
        read = rule.read(rule._clean(params, dense(list(grads))), bounds)
        noted, later = run_updates(self, params, read)
        noted.apply()
        for change in later:
            if isinstance(change, in_graphs.Step) and change.optimizer is rule:  # super().get_updates
                rule.step_and(params, list(change.tensors))
            else:
                change.apply(list(change.tensors))
        if given is not params:
            memory.note_change(given)
        return True

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of the step, clipped. For a symbolic loss they are symbolic tensors."""
        if isinstance(loss, StepLoss):
            return loss.gradients(params)
        found = in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_gradients")[1]
        rule: Any = self
        return in_graphs.clipped(found, rule.clipnorm, rule.clipnorm_per_tensor, rule.clipvalue)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the weights, in the order of `weights`. Before the first step they are kept, and that step sets them.

        Raises:
            ValueError: Numbers or shapes differ. Nothing is set. If the weights were kept, the first step raises it.
        """
        if self.weights:
            assign(self.weights, weights)
        else:
            self._given_weights = [np.array(w) for w in weights]

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Copies of the weights, by place and name."""
        return {f"{i}/{w.name}": w.numpy() for i, w in enumerate(self.weights)}

    def set_state(self, state: Any) -> None:
        """Set the state that `get_state` returned. Raises as `set_weights`."""
        self.set_weights(list(state.values()))


def run_updates(rule: ByUpdates, params: Sequence[Array], grads: Sequence[Array]) -> tuple[Updates, list[GraphUpdate]]:
    """Run get_updates once.

    Args:
        rule: The optimizer.
        params: The parameters.
        grads: Their gradients.

    Returns:
        The new values, which are not yet written, and the steps of other optimizers that get_updates returned.
    """
    state, noted = rule._state, Updates()
    variables = [share(p, name) for p, name in zip(params, state.names or [f"param_{i}:0" for i in range(len(params))])]
    rule.updates = []
    rule.weights = []
    rule._steps_as_its_base = False
    scope = Scope((pending, "updates", noted), (pending, "made", Made(state.variables)))
    found = scope.run(rule.get_updates, StepLoss(variables, grads), variables)
    as_base: Any = rule
    later: list[GraphUpdate] = []
    for entry in found or ():
        if isinstance(entry, GraphUpdate):
            later.append(entry)
        elif isinstance(entry, tuple):
            noted.note(entry[0], entry[1].value if isinstance(entry[1], Variable) else entry[1])
    rule._steps_as_its_base = any(isinstance(change, in_graphs.Step) and change.optimizer is as_base for change in later)
    return noted, later


def adapt(cls: type[Optimizer]) -> None:
    """Make a class with its own get_updates use it in each step: it gets the methods of `ByUpdates`."""
    own = vars(cls)
    setattr(cls, "get_updates", accept_symbolic_loss(own["get_updates"]))
    for name, value in vars(ByUpdates).items():
        if name not in own and not (name.startswith("__")) and name != "get_updates":
            setattr(cls, name, value)
