"""Steps: one batch in, the numbers of the logs out."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from lamella.core.atomic import Call, commit, write
from lamella.core.pickling import PickledByName
from lamella.core.pool import in_pool
from lamella.core.protocols import Communicator, Optimizer, TrainableModel
from lamella.core.random import Stream
from lamella.core.types import Array
from lamella.core.updates import Updates
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.ops.tape import Tape
from lamella.training import anomaly
from lamella.training.exclusive import Holder
from lamella.training.objective import LossTerm, Objective, Outputs
from lamella.training.session import Session


def infer(model: TrainableModel, inputs: list[Array]) -> Any:
    """The model's outputs in the inference phase, in which only the state of stateful layers moves."""
    values, updates = in_pool(_inferred, model, inputs)
    updates.apply()
    return values


def _inferred(model: TrainableModel, inputs: list[Array]) -> tuple[Any, Updates]:
    updates = Updates()
    updates.allowed = False
    return model.run(inputs, training=False, updates=updates), updates


class Steps(PickledByName):
    """A model with its objective and optimizer, prepared once, so that a step only computes.

    The weights that are trainable now are the ones that are trained.

    Attributes:
        bound: Whether the optimizer has a state for these weights.
        objective: As compiled.
        session: Of the fit under way, else of the last one.
        used_by: The block that counts in the metrics of `objective`, see `Run`.
        communicator: Averages the gradients over the processes that train the model; None: it is trained by this one alone.
    """

    communicator: Communicator | None = None

    def __init__(self, model: TrainableModel, objective: Objective, optimizer: Optimizer) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.penalties = list(model.penalties)
        # Weights that only outputs without a loss need are left as they are.
        self.collect(model.variables_behind(self.trained_outputs))
        self._state: Any = None  # the optimizer's, for these weights
        self.stream = Stream()
        self.session = Session()
        self.used_by: Holder | None = None

    def collect(self, variables: Sequence[Any]) -> None:
        """Train these; before the first step."""
        self.variables = list(variables)
        self._params = [variable.value for variable in self.variables]
        self._constrained = [variable for variable in self.variables if variable.constraint is not None]
        self._tape = Tape(self.variables)
        self._idle: list[int] | None = None  # found at the first step

    @property
    def trained_outputs(self) -> list[int]:
        """The places of the model's outputs that have a loss."""
        return [output.index for output in self.objective.outputs]

    def _find_idle(self) -> list[int]:
        """The places of weights that a loss reaches only if a layer's call adds one. The call alone knows: it may each time."""
        idle = {id(v) for v in self.model.variables_behind_calls(self.trained_outputs)}
        return [i for i, variable in enumerate(self.variables) if id(variable) in idle]

    def _gradients(self, terms: list[LossTerm]) -> list[Array]:
        """Zeros for idle weights, which Keras 2.2.5 refuses: its rules leave such a weight as it is; AdamW's decay does not."""
        # None, for another weight without a gradient, is refused by the optimizer, which names the weight.
        # A communicator, and a `step` of a user's own, take whole arrays.
        grads = self._tape.gradients(terms, in_rows=self.communicator is None and self.optimizer.commits)
        if self._idle is None:
            self._idle = self._find_idle()
        for i in self._idle:
            if grads[i] is None:
                grads[i] = np.zeros_like(self._params[i])
        return grads

    def train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[float]:
        """Forward, backward, one update in place, constraints. Raises ValueError if a weight gets no gradient."""
        return in_pool(self.stream.run, self._train, inputs, targets, weights)

    def _train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[float]:
        objective = self.session.objective or self.objective
        updates = Updates()
        values, (total, losses, terms) = self._tape.run(self._forward, objective, inputs, targets, weights, updates)
        if not isfinite(total) and not self.session.warned:
            self.session.warned = True
            anomaly.warn_of_loss(self.model, inputs, total, self.stream.step - self.stream.epoch)
        then = [*updates.calls(), self.stream.count_step()]
        # Of the outputs before the update, and before the commit: it moves what metrics gather, too.
        numbers = objective.report(total, losses, values, targets, weights, then)
        if not self._params:
            commit(then)
        else:
            self.bind_optimizer()
            grads = self._gradients(terms)
            if self.communicator is not None:
                grads = self.communicator.average(grads)
            self._update(grads, then)
        return numbers

    def _update(self, grads: list[Array], then: list[Call]) -> None:
        """Weights, their state, constraints, layers' and metrics' state and the count of the step, in one piece."""
        projections = [(_project, (variable,)) for variable in self._constrained]
        if self.optimizer.commits:
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
    ) -> tuple[Outputs, tuple[float, list[float], list[LossTerm]]]:
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
        if self._state is None and self.optimizer.was_given_state:
            self.bind_optimizer()

    def turn_optimizer(self) -> None:
        """Make the optimizer's state the one of these weights, if it has one: other models may have stepped since."""
        if self._state is not None:
            self.optimizer.turn_to(self._params, self._state)

    def __getstate__(self) -> dict[str, Any]:
        """What belongs to this process stays with it; the arrays are the Variables', which a copy may have made anew."""
        return vars(self) | dict.fromkeys(("used_by", "communicator", "_params", "_tape"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.collect(self.variables)
        self.turn_optimizer()

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
        _, (_, _, terms) = tape.run(self._forward, self.objective, inputs, targets, weights, None)
        found = tape.gradients(terms)
        return [np.zeros_like(p) if g is None else g for p, g in zip(self._params, found)]

    def warn_if_stale(self, wanted: Sequence[Variable]) -> None:
        """Keras's warning for `trainable` changed after compile. wanted: What would be collected now."""
        if [id(v) for v in wanted] != [id(v) for v in self.variables]:
            warn(
                "Discrepancy between trainable weights and collected trainable weights, did you set `model.trainable` "
                "without calling `model.compile` after ?"
            )


def _project(variable: Variable) -> None:
    assert variable.constraint is not None
    variable.value[...] = variable.constraint(variable.value)
