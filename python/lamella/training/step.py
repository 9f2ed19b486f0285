"""Steps: trains or tests a model on one batch, and returns the numbers of the logs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from lamella.core.atomic import Call, Scope, commit, write
from lamella.core.graphs import GraphTensor, SymbolOutside
from lamella.core.pickling import PickledByName
from lamella.core.pool import in_pool
from lamella.core.protocols import Communicator, Optimizer, TrainableModel
from lamella.core.random import Stream
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.updates import current as pending
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.data.adapt.targets import of_tensor
from lamella.ops.tape import Tape, Tensor, value_of
from lamella.training import anomaly
from lamella.training.added import AddedMetrics
from lamella.training.exclusive import Holder
from lamella.training.objective import LossTerm, Objective, Outputs, Place
from lamella.training.output import Output
from lamella.training.session import Session

# A function of the inputs, targets and sample weights of a batch, which a script has set in place of a step.
OwnStep = Callable[[list[Array], Sequence[Array], Sequence[Array | None]], list[Any]]

# In place of an output, in a Place: a loss of add_loss that reads y.
_LOSS = -2


def infer(model: TrainableModel, inputs: list[Array]) -> Any:
    """The model's outputs in the inference phase. Only the states of stateful layers change."""
    values, updates = in_pool(_inferred, model, inputs)
    updates.apply()
    return values


def _inferred(model: TrainableModel, inputs: list[Array]) -> tuple[Any, Updates]:
    updates = Updates()
    updates.allowed = False
    return model.run(inputs, training=False, updates=updates), updates


def _target(output: Output, value: Value, made: Iterator[Value]) -> Value:
    """The y of an output whose tensor of target_tensors is not fed. `made`: the values of symbolic ones, in order."""
    given: Any = next(made) if isinstance(output.target, GraphTensor) else output.target
    computed: Any = value_of(value)
    array = of_tensor(value_of(given), computed.shape, output.loss_name, output.name)
    # As in Keras, the gradient also flows through a target.
    return given if type(given) is Tensor and given.shape == array.shape else array


# Attributes that a copy does not have, or makes anew.
_OF_THIS_PROCESS = (
    "used_by", "communicator", "_params", "_tape", "_with_more", "_ready", "own_train", "own_test", "inner", "metrics_updates",
)  # fmt: skip


class Steps(PickledByName):
    """A model with its objective and optimizer, prepared once, so that a step only computes.

    It trains the weights that are trainable when it is made, and layers that are frozen then are frozen in its steps.

    Args:
        model: The model.
        objective: The compiled losses and metrics.
        optimizer: The optimizer.

    Attributes:
        variables: The weights that are trained.
        penalties: Functions that give the model's regularization penalties.
        stream: The random stream of the training.
        session: The session of the running fit, else of the last one.
        used_by: The block that uses the metrics of `objective`, see `Run`.
        captured: The losses and metrics that read symbolic tensors of the model, which computes them.
        added: The tensors that a script appended to metrics_tensors.
        own_train: What a script has set in place of `train`, see models/step_functions.py; or None.
        own_test: Likewise for `test`.
        inner: While one of them runs: the objective of its `Run`, for steps that it makes itself.
        metrics_updates: Keras's list, if a script has asked for it.
        communicator: Averages the gradients over the processes that train the model; None if only this process does.
    """

    communicator: Communicator | None = None

    def __init__(self, model: TrainableModel, objective: Objective, optimizer: Optimizer) -> None:
        self.model = model
        self.objective = objective
        self.optimizer = optimizer
        self.penalties = list(model.penalties)
        # Weights on which only outputs without a loss depend are not trained.
        self.read: list[Any] = []  # the symbolic tensors that they read
        self.collect(model.variables_behind(self.trained_outputs))
        self._state: Any = None  # of the optimizer, for these weights
        # A wrapper's `trainable` is that of layers inside, which are here as well.
        own = [x for x in model.layers_within() if not isinstance(getattr(type(x), "trainable", None), property)]
        self._trainable = [(layer, layer.trainable) for layer in own]
        self.captured: list[Place] = []
        self._with_more: Any = None  # what runs the model together with them and with other tensors
        self._ready: int | None = None  # the number of metrics_tensors for which it was made
        # The target_tensors that are computed, not fed. Of them the symbolic ones are computed with the model.
        outputs = objective.outputs
        self._given = {output.index: output.target for output in outputs if output.target is not None}
        self._symbolic_targets = [o.target for o in outputs if not o.fed and isinstance(o.target, GraphTensor)]
        self._losses_of_steps = list(model.losses_of_steps)
        self._all_fed = all(output.fed for output in outputs)
        self.added = AddedMetrics(objective.names)
        self.stream = Stream()
        self.session = Session()
        self.used_by: Holder | None = None
        self.own_train: OwnStep | None = None
        self.own_test: OwnStep | None = None
        self.inner: Objective | None = None
        self.metrics_updates: list[Any] | None = None

    def collect(self, variables: Sequence[Any]) -> None:
        """Set the weights that are trained, before the first step."""
        self.variables = list(variables)
        self._params = [variable.value for variable in self.variables]
        self._constrained = [variable for variable in self.variables if variable.constraint is not None]
        self._tape = Tape(self.variables)
        self._idle: list[int] | None = None  # indices, found at the first step

    @property
    def trained_outputs(self) -> list[int]:
        """The indices of the model's outputs that have a loss."""
        return [output.index for output in self.objective.outputs]

    def _find_idle(self) -> list[int]:
        """The indices of the weights that get a gradient only from a loss that a layer's call adds, which it may do or not."""
        idle = {id(v) for v in self.model.variables_behind_calls(self.trained_outputs)}
        return [i for i, variable in enumerate(self.variables) if id(variable) in idle]

    def _gradients(self, terms: list[LossTerm]) -> list[Array]:
        """One gradient for each weight, zeros for idle weights.

        Keras 2.2.5 refuses idle weights. With a gradient of zero, the rules of Keras leave a weight unchanged; the decay of
        AdamW does not.
        """
        # For another weight without a gradient the entry is None: the optimizer raises an error that names the weight.
        # A communicator, and an optimizer with its own `step`, need whole arrays instead of rows.
        grads = self._tape.gradients(terms, in_rows=self.communicator is None and self.optimizer.commits)
        if self._idle is None:
            self._idle = self._find_idle()
        for i in self._idle:
            if grads[i] is None:
                grads[i] = np.zeros_like(self._params[i])
        return grads

    def train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Any]:
        """One step: forward, backward, one update of the weights in place, constraints.

        Args:
            inputs: The batch, an array for each input.
            targets: y for each trained output.
            weights: Sample weights for each trained output, or None.

        Returns:
            One number for each column of the logs, a float or a LateNumber, computed before the update.

        Raises:
            ValueError: A weight has no gradient.
        """
        # As in Keras, what a script changes after compile counts for the models that it compiles then: a discriminator, frozen for
        # the generator's sake, trains with the statistics of its batches.
        changed = [(layer, "trainable", before) for layer, before in self._trainable if layer.trainable is not before]
        if changed:
            return Scope(*changed).run(self._train_as_compiled, inputs, targets, weights)
        return self._train_as_compiled(inputs, targets, weights)

    def _train_as_compiled(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Any]:
        if len(self.added.tensors) != self._ready:
            self._prepare(targets)
        try:
            return in_pool(self.stream.run, self._train, inputs, targets, weights)
        except SymbolOutside as error:
            self._capture(error, targets)
            return self._train_as_compiled(inputs, targets, weights)

    def train_batch(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Any]:
        """`train`, or the function of a script in place of it. The numbers are those that the function returns."""
        if self.own_train is None:
            return self.train(inputs, targets, weights)
        before, objective = self.stream.step, self.session.objective or self.objective
        numbers = Scope((self, "inner", objective)).run(self.own_train, inputs, targets, weights)
        if self._state is None and self._params:  # a K.function of get_updates may have made steps
            self._state = self.optimizer.state_for(self._params)
        if self.stream.step == before:  # it made no step by `train`
            commit([self.stream.count_step()])
        return numbers

    def test_batch(
        self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None], objective: Objective
    ) -> list[Any]:
        """`test`, or the function of a script in place of it."""
        if self.own_test is None:
            return self.test(inputs, targets, weights, objective)
        return Scope((self, "inner", objective)).run(self.own_test, inputs, targets, weights)

    def _capture(self, error: SymbolOutside, targets: Sequence[Array]) -> None:
        """Let the model compute the loss or metric that read a symbolic tensor of it. Raises the error if it does so already."""
        if error.place is None or error.place in self.captured:
            raise error
        self.captured.append(error.place)
        self.read += error.tensors
        # Layers that come before such a tensor are trained, too, also if only outputs without a loss use them.
        variables = self.model.variables_behind(self.trained_outputs, self.read)
        if len(variables) > len(self.variables):
            self.collect(variables)
        self._prepare(targets)

    def notice_added(self) -> None:
        """Called when a run begins: let the next step find out which tensors a script has appended to metrics_tensors."""
        if self.added.changed():
            self._ready = None

    def _prepare(self, targets: Sequence[Array]) -> None:
        """Make what `_run` calls, once: not within a run, because functions are called on symbolic tensors."""
        self.added.changed()
        with_more = None
        if self.captured or not self._all_fed or self.added.symbolic or self._losses_of_steps:
            # The functions of the compiled objective: they have no state of a run.
            functions = self.objective.functions(self.captured)
            of = self._fed_by_output(targets)
            tensors = [*self._symbolic_targets, *self._losses_of_steps, *self.added.symbolic]
            with_more = self.model.with_functions(functions, of, self._given, tensors)
        self._with_more = with_more
        self._ready = len(self.added.tensors)

    def _fed_by_output(self, targets: Sequence[Array]) -> dict[int, Array]:
        fed = [output.index for output in self.objective.outputs if output.fed]
        return dict(zip(fed, targets, strict=True))

    def _run(
        self,
        inputs: list[Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        training: bool,
        updates: Updates | None,
    ) -> tuple[Outputs, Mapping[Place, Any], Sequence[Value]]:
        """The model's outputs, the values of the losses and metrics in `captured` and of other tensors, and y of each trained
        output.
        """
        if self._with_more is None:
            return self.model.run(inputs, training=training, updates=updates), {}, targets
        outputs = self.objective.outputs
        of = self._fed_by_output(targets)
        weights_of = {output.index: weight for output, weight in zip(outputs, weights, strict=True)}
        values, found = self._with_more(inputs, of, weights_of, training, updates)
        made = iter(found[len(self.captured) :])
        read = [of[o.index] if o.fed else _target(o, values[o.index], made) for o in outputs]
        losses = {(_LOSS, i): next(made) for i in range(len(self._losses_of_steps))}
        return values, dict(zip(self.captured, found)) | losses | self.added.places(made), read

    def _penalties_of(self, made: Mapping[Place, Any]) -> list[Callable[[], Value]]:
        """Functions of all terms of the loss besides those of the outputs."""
        if not self._losses_of_steps:
            return self.penalties
        return [*self.penalties, *(functools.partial(made.get, (_LOSS, i)) for i in range(len(self._losses_of_steps)))]

    def _train(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Any]:
        objective = self.session.objective or self.objective
        updates = Updates()
        values, made, y, (total, losses, terms) = self._tape.run(self._forward, objective, inputs, targets, weights, updates)
        if not isfinite(total) and not self.session.warned:
            self.session.warned = True
            anomaly.warn_of_loss(self.model, inputs, total, self.stream.step - self.stream.epoch)
        then = [*updates.calls(), self.stream.count_step()]
        # Computed before the update, and before the commit: this adds the calls that change the metrics' states to `then`.
        numbers = objective.report(total, losses, values, y, weights, then, made)
        if self.added.count:
            numbers += self.added.numbers(made)
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
        """Commit the new weights, slots, constraints, the states of layers and metrics, and the count of steps together."""
        if self.optimizer.applies_constraints:
            self.optimizer.step(self._params, grads, constraints=[variable.constraint for variable in self.variables])
            commit(then)
            return
        projections = [(variable.apply_constraint, ()) for variable in self._constrained]
        if self.optimizer.commits:
            self.optimizer.step_and(self._params, grads, then, projections)
            return
        # An optimizer with its own `step` changes the weights by itself; the rest is a second commit. `step` returns False if
        # it only accumulated gradients; other optimizers return None.
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
    ) -> tuple[Outputs, Mapping[Place, Any], Sequence[Value], tuple[float, list[float], list[LossTerm]]]:
        """What `_run` returns, and the result of objective.total. updates: for layers' states; None in the inference phase."""
        values, made, y = self._run(inputs, targets, weights, updates is not None, updates)
        return values, made, y, objective.total(values, y, weights, self._penalties_of(made), made)

    @property
    def bound(self) -> bool:
        """Whether the optimizer has a state for these weights."""
        return self._state is not None

    def bind_optimizer(self) -> None:
        """Make the optimizer's state for these weights, once: at the first step, as in Keras, or before a state is loaded."""
        if self._state is None:
            names = [variable.name for variable in self.variables]
            self.optimizer.bind(self._params, names, lambda state: (setattr, (self, "_state", state)))

    def bind_given(self) -> None:
        """Apply the state that the optimizer was given before the first step, if any.

        Raises:
            ValueError: The state does not fit the weights.
        """
        if self._state is None and self.optimizer.was_given_state:
            self.bind_optimizer()

    def select_optimizer_state(self) -> None:
        """Give the optimizer its state for these weights, if it has one: it may have trained another model since."""
        if self._state is not None:
            self.optimizer.select_state(self._params, self._state)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out what belongs to this process, and the arrays: they belong to the Variables, which a copy has anew."""
        return vars(self) | dict.fromkeys(_OF_THIS_PROCESS) | {"captured": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.collect(self.variables)
        self.select_optimizer_state()

    def test(
        self,
        inputs: list[Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        objective: Objective,
    ) -> list[Any]:
        """Forward only, in the inference phase. The loss includes the penalties.

        Args:
            inputs: The batch, an array for each input.
            targets: y for each trained output.
            weights: Sample weights for each trained output, or None.
            objective: The objective of the `Run`.

        Returns:
            One number for each column of the logs, a float or a LateNumber.
        """
        if len(self.added.tensors) != self._ready:
            self._prepare(targets)
        try:
            return Scope((pending, "values", True)).run(self._test, inputs, targets, weights, objective)
        except SymbolOutside as error:
            self._capture(error, targets)
            return self.test(inputs, targets, weights, objective)

    def _test(
        self,
        inputs: list[Array],
        targets: Sequence[Array],
        weights: Sequence[Array | None],
        objective: Objective,
    ) -> list[Any]:
        updates = Updates()
        updates.allowed = False
        values, made, y = self._run(inputs, targets, weights, False, updates)
        total, losses, _ = objective.total(values, y, weights, self._penalties_of(made), made)
        then = updates.calls()
        numbers = objective.report(total, losses, values, y, weights, then, made)
        if self.added.count:
            numbers += self.added.numbers(made)
        commit(then)
        return numbers

    def gradients(self, inputs: list[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Array]:
        """Gradients of the loss, penalties included, in the inference phase. Nothing is updated.

        Args:
            inputs: The batch, an array for each input.
            targets: y for each trained output.
            weights: Sample weights for each trained output, or None.

        Returns:
            An array for each trained weight.
        """
        if len(self.added.tensors) != self._ready:
            self._prepare(targets)
        tape = Tape(self.variables)
        try:
            _, _, _, (_, _, terms) = tape.run(self._forward, self.objective, inputs, targets, weights, None)
        except SymbolOutside as error:
            self._capture(error, targets)
            return self.gradients(inputs, targets, weights)
        found = tape.gradients(terms)
        return [np.zeros_like(p) if g is None else g for p, g in zip(self._params, found)]

    def warn_if_stale(self, wanted: Sequence[Variable]) -> None:
        """Give Keras's warning if `trainable` was changed after compile.

        Args:
            wanted: The weights that compile would collect at this moment.
        """
        if [id(v) for v in wanted] != [id(v) for v in self.variables]:
            warn(
                "Discrepancy between trainable weights and collected trainable weights, did you set `model.trainable` "
                "without calling `model.compile` after ?"
            )
