"""Steps: one batch in, the numbers of the logs out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import isfinite
from types import TracebackType
from typing import Any

import numpy as np

from lamella.callbacks.base import CallbackList
from lamella.callbacks.memory import Memory, remembered
from lamella.core.atomic import Call, commit, write
from lamella.core.pickling import PickledByName
from lamella.core.pool import in_pool
from lamella.core.random import Stream
from lamella.core.types import Array
from lamella.core.updates import Updates
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.ops.tape import Tape
from lamella.training import anomaly
from lamella.training.exclusive import Holder, claim
from lamella.training.objective import Objective, Outputs, Seed


def infer(model: Any, inputs: list[Array]) -> Any:
    """The model's outputs in the inference phase, in which only the state of stateful layers moves."""
    values, updates = in_pool(_inferred, model, inputs)
    updates.apply()
    return values


def _inferred(model: Any, inputs: list[Array]) -> tuple[Any, Updates]:
    updates = Updates()
    updates.allowed = False
    return model.run(inputs, training=False, updates=updates), updates


class Steps(PickledByName):
    """A model with its objective and optimizer, prepared once, so that a step only computes.

    Args:
        model, optimizer: duck-typed, see `train`. The weights that are trainable now are the ones that are trained.

    Attributes:
        bound: Whether the optimizer has a state for these weights.
        callbacks: Of the fit that goes on.
        objective: As compiled.
        training: The one whose metrics the training fills that goes on, see `Run`.
    """

    def __init__(self, model: Any, objective: Objective, optimizer: Any) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.penalties = list(model.penalties)
        self.collect(self._wanted())
        self._state: Any = None  # the optimizer's, for these weights
        self.stream = Stream()
        self.told = False  # of a loss that is no number: once a fit
        self.training: Objective | None = None
        self._objective_of: Holder | None = None
        self.callbacks: CallbackList | None = None
        self.memory: Memory | None = None  # of the callbacks of the last fit
        self.loaded: Memory | None = None  # from a file; the next fit may go on with it

    def collect(self, variables: Sequence[Any]) -> None:
        """Train these; before the first step."""
        self.variables = list(variables)
        self._params = [variable.value for variable in self.variables]
        self._constrained = [variable for variable in self.variables if variable.constraint is not None]
        self._tape = Tape(self.variables)
        self._idle: list[int] | None = None  # found at the first step

    def _find_idle(self) -> list[int]:
        """The places of weights that a loss reaches only if a layer's call adds one. The call alone knows: it may each time."""
        outputs = [output.index for output in self.objective.outputs]
        idle = {id(v) for v in self.model.variables_behind_calls(outputs)}
        return [i for i, variable in enumerate(self.variables) if id(variable) in idle]

    def _gradients(self, seeds: list[Seed]) -> list[Array | None]:
        """Zeros for idle weights, which Keras 2.2.5 refuses: its rules leave such a weight as it is; AdamW's decay does not."""
        grads = self._tape.gradients(seeds)
        if self._idle is None:
            self._idle = self._find_idle()
        for i in self._idle:
            if grads[i] is None:
                grads[i] = np.zeros_like(self._params[i])
        return grads

    def _wanted(self) -> list[Variable]:
        """What is trained: weights that only outputs without a loss need are left as they are."""
        wanted: list[Variable] = self.model.variables_behind([output.index for output in self.objective.outputs])
        return wanted

    def train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[float]:
        """Forward, backward, one update in place, constraints. Raises ValueError if a weight gets no gradient."""
        return in_pool(self.stream.run, self._train, inputs, targets, weights)

    def _train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[float]:
        objective = self.training or self.objective
        updates = Updates()
        values, (total, losses, seeds) = self._tape.run(self._forward, objective, inputs, targets, weights, updates)
        if not isfinite(total) and not self.told:
            self.told = True
            anomaly.warn(self.model, inputs, total, self.stream.step - self.stream.epoch)
        then = [*updates.calls(), self.stream.count_step()]
        # Of the outputs before the update, and before the commit: it moves what metrics gather, too.
        numbers = objective.report(total, losses, values, targets, weights, then)
        if not self._params:
            commit(then)
        else:
            self.bind_optimizer()
            self._update(self._gradients(seeds), then)
        return numbers

    def _update(self, grads: list[Array | None], then: list[Call]) -> None:
        """Weights, their state, constraints, layers' and metrics' state and the count of the step, in one piece."""
        projections = [(_project, (variable,)) for variable in self._constrained]
        if getattr(self.optimizer, "commits", False):
            self.optimizer.step_and(self._params, grads, then, projections)
            return
        # A step of a user's own is one piece, and the rest another. False: it only adds gradients up; it may well return None.
        stepped = self.optimizer.step(self._params, grads) is not False
        before = [write(variable.value, variable.value.copy()) for variable in self._constrained]
        commit([*projections, *then] if stepped else then, before)

    def _forward(
        self,
        objective: Objective,
        inputs: list[Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        updates: Updates | None,
    ) -> tuple[Outputs, tuple[float, list[float], list[Seed]]]:
        """The model's outputs, and what the objective makes of them. updates: of layers' state; None: in inference."""
        values = self.model.run(inputs, training=updates is not None, updates=updates)
        return values, objective.total(values, targets, weights, self.penalties)

    @property
    def bound(self) -> bool:
        return self._state is not None

    def bind_optimizer(self) -> None:
        """Make the optimizer's state for these weights, once: at the first step, as in Keras, or before weights are loaded."""
        if self._state is None:
            names = [variable.name for variable in self.variables]
            self.optimizer.bind(self._params, names, lambda state: (setattr, (self, "_state", state)))

    def bind_given(self) -> None:
        """Take up what the optimizer was given before the first step, if anything. Raises ValueError if it does not fit."""
        if self._state is None and getattr(self.optimizer, "was_given_state", False):
            self.bind_optimizer()

    def turn_optimizer(self) -> None:
        """Make the optimizer's state the one of these weights, if it has one: other models may have stepped since."""
        if self._state is not None:
            self.optimizer.turn_to(self._params, self._state)

    def __getstate__(self) -> dict[str, Any]:
        """What belongs to the run at hand stays with it; the arrays are the Variables', which a copy may have made anew."""
        loaded = self.loaded if self.callbacks is None else self.remembered()
        left_out = dict.fromkeys(("callbacks", "training", "_objective_of", "_params", "_tape"))
        return vars(self) | left_out | {"loaded": loaded}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.collect(self.variables)
        self.turn_optimizer()

    def remembered(self) -> Memory | None:
        """What callbacks remember: those of the fit that goes on, else of the last one, or of the file of a loaded model."""
        return self.loaded or self.memory if self.callbacks is None else remembered(self.callbacks)

    def end_run(self) -> None:
        """The fit is over; what its callbacks remember stays, for the next file."""
        if self.callbacks is not None:
            self.memory = remembered(self.callbacks)
            self.callbacks = self.loaded = None

    def test(
        self,
        inputs: list[Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        objective: Objective,
    ) -> list[float]:
        """Forward only, in the inference phase; the loss holds the penalties, too. objective: of the `Run`."""
        values, updates = _inferred(self.model, inputs)
        total, losses, _ = objective.total(values, targets, weights, self.penalties)
        then = updates.calls()
        numbers = objective.report(total, losses, values, targets, weights, then)
        commit(then)
        return numbers

    def gradients(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Array]:
        """Of the loss, penalties included, in the inference phase; one for each trainable weight, nothing is updated."""
        tape = Tape(self.variables)
        _, (_, _, seeds) = tape.run(self._forward, self.objective, inputs, targets, weights, None)
        found = tape.gradients(seeds)
        return [np.zeros_like(p) if g is None else g for p, g in zip(self._params, found)]

    def warn_if_stale(self) -> None:
        """Keras's warning for `trainable` changed after compile."""
        if [id(v) for v in self._wanted()] != [id(v) for v in self.variables]:
            warn(
                "Discrepancy between trainable weights and collected trainable weights, did you set `model.trainable` "
                "without calling `model.compile` after ?"
            )


def _project(variable: Variable) -> None:
    assert variable.constraint is not None
    variable.value[...] = variable.constraint(variable.value)


class Run:
    """A run of the loop, or a batch on its own: a `with` block that gives the objective to use.

    The first block gets the one that was compiled, with the metrics that the user may hold. One that begins within it (a
    callback's evaluate within fit) or beside it in another thread gets metrics of its own, so that the numbers of each
    are its own.
    """

    def __init__(self, steps: Steps, *, training: bool = False) -> None:
        self.steps = steps
        self.training = training

    def __enter__(self) -> Objective:
        steps = self.steps
        self._first = claim(steps, "_objective_of", sys._getframe(1)) is None
        objective = steps.objective if self._first else steps.objective.anew()
        if self.training:
            self._outer, steps.training = None if self._first else steps.training, objective
        return objective

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.training:
            self.steps.training = self._outer
        if self._first:
            self.steps._objective_of = None
