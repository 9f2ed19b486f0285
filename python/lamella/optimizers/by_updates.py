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

from lamella.core import registry
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
    """The loss that get_updates receives in a step. It holds the gradients of this step, which are not yet clipped.

    Attributes:
        rule: The optimizer that makes the step.
        parts: The number of steps of lamella's rules that were made parts of this step.
    """

    def __init__(self, rule: object, variables: Sequence[Variable], gradients: Sequence[Array]) -> None:
        self.rule, self.parts = rule, 0
        self._by = {id(v): g for v, g in zip(variables, gradients)}
        self._begun: set[int] = set()

    def begin(self, rule: Any) -> None:
        """Empty the lists of an optimizer at its first get_updates of this step, because Keras calls get_updates only once."""
        if id(rule) not in self._begun:
            self._begun.add(id(rule))
            rule.updates, rule.weights = [], []

    def gradients(self, variables: Any) -> list[Any]:
        """The gradients of the Variables; None for a Variable that is not a parameter of the step."""
        return [self._by.get(id(v)) for v in (variables if isinstance(variables, (list, tuple)) else [variables])]


def accept_symbolic_loss(get_updates: GetUpdates) -> GetUpdates:
    """A user's get_updates that also accepts a symbolic loss, for which it returns one step of the optimizer for K.function."""

    @functools.wraps(get_updates)
    def made(self: Any, *arguments: Any, **named: Any) -> Any:
        loss, rest = named.get("loss"), arguments
        if "loss" not in named and arguments:  # Keras 1 has (params, constraints, loss)
            loss, rest = (arguments[-1], arguments) if len(arguments) > 2 else (arguments[0], arguments[1:])
        if isinstance(loss, StepLoss):
            loss.begin(self)
        if isinstance(loss, StepLoss) or not isinstance(loss, GraphTensor):
            return get_updates(self, *arguments, **named)
        params = named.get("params", rest[0] if rest else None)
        return [in_graphs.Step(self, *in_graphs.gradients_of(loss, params, f"{type(self).__name__}.get_updates"))]

    return made


class ByUpdates(Stateful):
    """The methods that replace those of Optimizer in a class with its own get_updates; see `adapt`."""

    get_updates: GetUpdates
    updates: Any = ()
    _runs_get_updates = True
    _listed_weights: Sequence[Variable] = ()
    _steps_as_its_base = False  # whether the last run called super().get_updates, so that the slots of the base class are used
    _given_weights: list[NDArray[Any]] | None = None

    @property
    def commits(self) -> bool:
        return False

    @property
    def applies_constraints(self) -> bool:
        return type(self).step is ByUpdates.step

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

    def step(
        self, params: Sequence[Array], grads: Sequence[Array], constraints: Sequence[Callable[[Array], Array] | None] = ()
    ) -> bool:
        """The step of get_updates, which also applies the constraints of the parameters."""
        given = params = params if isinstance(params, (list, tuple)) else list(params)
        who = type(self).__name__
        if params is not self._params:
            params = memory.arrays_over(who, "parameter", params)
            self.select_state(params)
        grads = memory.arrays_over(who, "gradient", grads)
        rule: Any = self
        read = [np.array(g) for g in rule._clean(params, dense(list(grads)))]
        noted, later = run_updates(self, params, read, constraints)
        noted.apply()
        for change in later:
            if isinstance(change, in_graphs.Step) and change.optimizer is rule:  # super().get_updates
                rule.step_and(params, list(change.tensors), projections=change.projections)
            else:
                change.apply(list(change.tensors))
        if given is not params:
            memory.note_change(given)
        return True

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of the step, clipped. For a symbolic loss they are symbolic tensors."""
        rule: Any = self
        return clipped_gradients(rule, loss, params)

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


def run_updates(
    rule: ByUpdates,
    params: Sequence[Array],
    grads: Sequence[Array],
    constraints: Sequence[Callable[[Array], Array] | None] = (),
) -> tuple[Updates, list[GraphUpdate]]:
    """Run get_updates once.

    Args:
        rule: The optimizer.
        params: The parameters.
        grads: Their gradients.
        constraints: Their constraints, which get_updates applies; none if it is empty.

    Returns:
        The new values, which are not yet written, and the steps of other optimizers that get_updates returned.
    """
    state, noted = rule._state, Updates()
    names = state.names or [f"param_{i}:0" for i in range(len(params))]
    variables = [share(*each) for each in zip(params, names, constraints or [None] * len(params))]
    made, loss = Made(state.variables), StepLoss(rule, variables, grads)
    made.replaced = []
    loss.begin(rule)
    rule._steps_as_its_base = False
    # By names, as in Keras: some classes have (params, loss), others (loss, params).
    get_updates = functools.partial(rule.get_updates, loss=loss, params=variables)
    try:
        found = Scope((pending, "updates", noted), (pending, "made", made)).run(get_updates)
    finally:
        made.restore()
    as_base: Any = rule
    later: list[GraphUpdate] = []
    for entry in found or ():
        if isinstance(entry, GraphUpdate):
            later.append(entry)
        elif isinstance(entry, tuple):
            noted.note(entry[0], entry[1].value if isinstance(entry[1], Variable) else entry[1])
    rule._steps_as_its_base = any(isinstance(change, in_graphs.Step) and change.optimizer is as_base for change in later)
    return noted, later


def clipped_gradients(rule: Optimizer, loss: Any, params: Any) -> list[Any]:
    """The gradients of a loss for Variables, clipped by the bounds of an optimizer, as its get_gradients returns them.

    Args:
        rule: The optimizer.
        loss: The loss of a step, for arrays; or a scalar tensor of a graph of K, for symbolic tensors.
        params: A list of Variables; with a tensor of a graph also other tensors, such as outputs of layers.

    Raises:
        TypeError, ValueError: As `in_graphs.gradients_of`.
    """
    allowed = (Variable,) if isinstance(loss, StepLoss) else (Variable, GraphTensor)
    found = in_graphs.gradients_of(loss, params, f"{type(rule).__name__}.get_gradients", allowed)[1]
    if not isinstance(loss, StepLoss):
        return in_graphs.clipped(found, rule.clipnorm, rule.clipnorm_per_tensor, rule.clipvalue)
    bounds: Bounds = [], 1.0, rule.clipnorm or 0.0, rule.clipnorm_per_tensor or 0.0, rule.clipvalue or 0.0
    return rule.read(found, bounds) if any(bounds[2:]) else found


def is_whole_step(rule: Optimizer, loss: StepLoss) -> bool:
    """Whether `super().get_updates(loss, params)` can be the step of the base class itself, on the arrays of the parameters.

    It cannot if another optimizer makes the step, or if lr, get_gradients or K.update is not its own now: the step is made
    after get_updates has returned.
    """
    changed = pending.made is not None and bool(pending.made.replaced)
    own = "get_gradients" not in vars(rule) and type(rule).get_gradients is vars(ByUpdates)["get_gradients"]
    replaced = registry.current_function("update").__module__ != "lamella.backend.values"
    return loss.rule is rule and own and not changed and not replaced


def with_own_rule(cls: type[Optimizer]) -> type[Optimizer]:
    """A subclass of the same name for an object that was given its own get_gradients or get_updates, which its steps then use."""
    if getattr(cls, "_runs_get_updates", False):
        return cls
    body = {"get_updates": lambda self, loss, params: cls.get_updates(self, loss, params), "__module__": cls.__module__}
    metaclass: Any = type(cls)
    made: type[Optimizer] = metaclass(cls.__name__, (cls,), {**body, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__})
    return made


def adapt(cls: type[Optimizer]) -> None:
    """Make a class with its own get_updates or get_gradients use it in each step: it gets the methods of `ByUpdates`."""
    own = vars(cls)
    setattr(cls, "get_updates", accept_symbolic_loss(cls.get_updates))
    for name, value in vars(ByUpdates).items():
        if name not in own and not (name.startswith("__")) and name != "get_updates":
            setattr(cls, name, value)
