"""StepFunctions: Keras 2.2.5's functions of a list of arrays for one batch. Scripts call them, wrap them and replace them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella import _kernels
from lamella.core import phase, registry
from lamella.core.graphs import GraphUpdate
from lamella.core.lists import to_list
from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.data.adapt import feed
from lamella.graph.run import GraphRun
from lamella.graph.symbolic import Symbolic
from lamella.models.compiled import ones_for
from lamella.models.metric_tensors import MetricTensors, MetricUpdate
from lamella.training import evaluate
from lamella.training.step import OwnStep, Steps

# A list of arrays in, a list of numbers or arrays out.
Function = Callable[[list[Any]], Any]

_PHASES = {"train_function": 1, "test_function": 0, "predict_function": 0}


class _Made:
    """A function that lamella made, in contrast to one of a script."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(self, values: Sequence[Any]) -> Any:
        return self._function(list(values))


class Functions(dict[str, Function]):
    """The functions of a model that exist, by name. A copy of a model has none: they belong to this process."""

    # Blocks of a model's steps in the pool have other sizes than those of other models. Only a model that has trained, evaluated
    # or predicted has these functions. Networks that lamella or a callback makes during a fit, to look at layers, may come and go
    # without making the next step take all its memory anew. It is a function of C, in which no Ctrl-C arrives: CPython drops an
    # error that is raised in __del__.
    __del__ = staticmethod(_kernels.empty_pool)

    def __reduce__(self) -> Any:
        return type(self), ()


class StepFunctions(MetricTensors):
    """train_function, test_function and predict_function. Each takes the arrays of `_feed_inputs`; the first two also those of
    `_feed_targets` and `_feed_sample_weights`; then the learning phase, if the model depends on it.

    As in Keras each is None until a run, or its `_make_` method, makes it. fit, evaluate and predict call the function that a
    script has set instead of their own step, and use the numbers that it returns. None lets the next call make it anew.

    Source: Keras 2.2.5 keras/engine/training.py.
    """

    # Of the model that this is mixed into.
    uses_learning_phase: bool
    _feed_inputs: list[Any]
    _feed_input_names: list[str]

    _functions: Functions | None = None

    @property
    def train_function(self) -> Any:
        """One step: a function that returns loss and metrics of the batch, or None.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        return self._function_of("train_function")

    @train_function.setter
    def train_function(self, value: Function | None) -> None:
        self._set_function("train_function", value)

    @property
    def test_function(self) -> Any:
        """A function that returns loss and metrics of the batch in the inference phase, or None.

        Raises:
            AttributeError: The model is not compiled or not built.
        """
        return self._function_of("test_function")

    @test_function.setter
    def test_function(self, value: Function | None) -> None:
        self._set_function("test_function", value)

    @property
    def predict_function(self) -> Any:
        """A function that returns the list of outputs in the inference phase, or None.

        Raises:
            AttributeError: The model is not compiled, and `_make_predict_function` was not called.
        """
        return self._function_of("predict_function")

    @predict_function.setter
    def predict_function(self, value: Function | None) -> None:
        self._set_function("predict_function", value)

    def _make_train_function(self) -> None:
        """Make train_function, if it is None, and the optimizer's state of zeros for this model's weights, so that
        `optimizer.set_weights` can follow. A subclass may override it: fit and train_on_batch call it.
        """
        steps = self.compiled_steps()
        if steps.own_train is None:
            steps.bind_optimizer()
        self._make("train_function")

    def _make_test_function(self) -> None:
        """Make test_function, if it is None. evaluate and validation call it.

        Raises:
            RuntimeError: The model is not compiled, as in Keras.
        """
        self.compiled_steps()
        self._make("test_function")

    def _make_predict_function(self) -> None:
        """Make predict_function, if it is None. Web servers for Keras call it before threads predict."""
        self._make("predict_function")

    def _make_for_run(self, name: str) -> None:
        """Make a function as a run of Keras does: by the method of a subclass or of this object, if it has its own."""
        maker, of_lamella = _MAKERS[name]
        if getattr(type(self), maker) is not of_lamella or maker in vars(self):
            getattr(self, maker)()
        elif self._functions is None or name not in self._functions:
            self._make(name)

    @property
    def _function_kwargs(self) -> dict[str, Any]:
        """The arguments of compile for K.function: none."""
        return {}

    def _uses_dynamic_learning_phase(self) -> bool:
        """Whether the functions take the learning phase as their last value."""
        return self.uses_learning_phase and phase.current.fixed is None

    def _function_of(self, name: str) -> Any:
        found = None if self._functions is None else self._functions.get(name)
        if found is None and (name != "predict_function" or self.optimizer is None):
            self._of_compile(name)  # raises AttributeError
        return found

    def _set_function(self, name: str, value: Any) -> None:
        if value is not None and not callable(value):
            raise TypeError(f"Model '{self.name}': expected a function as {name}, got {type(value).__name__}")
        if self._functions is None:
            self._functions = Functions()
        if name != "predict_function" and (value is not None or self.prepared_steps is not None):
            steps = self._of_compile(name)
            own = None if value is None or isinstance(value, _Made) else self._step_of(steps, name, value)
            if name == "train_function":
                steps.own_train = own
            else:
                steps.own_test = own
        if value is None:
            self._functions.pop(name, None)
        else:
            self._functions[name] = value

    def _make(self, name: str) -> None:
        if self._functions is None:
            self._functions = Functions()
        if name not in self._functions:
            made = self._predicted() if name == "predict_function" else self._trained_or_tested(self.compiled_steps(), name)
            self._set_function(name, made)

    def _trained_or_tested(self, steps: Steps, name: str) -> Function:
        """The step of lamella as a function of a list."""
        outputs = steps.objective.outputs
        counts = [len(self._feed_input_names), sum(output.fed for output in outputs), len(outputs)]
        inputs = self._expected_inputs()
        training = name == "train_function"

        def step(values: list[Any]) -> list[Any]:
            x, y, weights = self._split(name, values, counts)
            given = (x, y or None, weights or None)
            if steps.inner is None:
                method = evaluate.train_on_batch if training else evaluate.test_on_batch
                return [*map(evaluate.number, method(steps, inputs, *given))]
            data, _ = feed.data_of(inputs, outputs, *given)
            numbers = steps.train(*data.read()) if training else in_pool(steps.test, *data.read(), steps.inner)
            return [*map(evaluate.number, numbers)]

        added = [x for x in steps.metrics_updates or () if not isinstance(x, MetricUpdate)]
        return self._with_updates(step, added, name) if added else _Made(step)

    def _with_updates(self, step: Function, updates: list[Any], name: str) -> Function:
        """`step`, and the updates that a script appended to metrics_updates. Their new values are computed before the step."""
        function = registry.current_function("function")
        for update in updates:
            if not isinstance(update, GraphUpdate):
                raise TypeError(f"metrics_updates: expected results of K.update and related functions, got {update!r}")
        feeds: list[Any] = []
        try:
            GraphRun([], [x for update in updates for x in update.tensors if isinstance(x, Symbolic)])
        except ValueError:  # they read inputs or y of the batch
            feeds = [*self._feed_inputs, *self._feed_targets, *self._feed_sample_weights]
        made = function([*feeds, phase.learning_phase()], [], updates=updates)

        def both(values: list[Any]) -> Any:
            made([*values[: len(feeds)], _PHASES[name]])
            return step(values)

        return both

    def _predicted(self) -> Function:
        def predict(values: list[Any]) -> list[Any]:
            (inputs,) = self._split("predict_function", values, [len(self._feed_input_names)])
            outputs = evaluate.predict_on_batch(self, self._expected_inputs(), inputs)  # type: ignore[arg-type]
            return to_list(outputs)

        return _Made(predict)

    def _own_predict(self) -> evaluate.Inferring | None:
        """What predict calls for a batch, if a script has set predict_function."""
        function = None if self._functions is None else self._functions.get("predict_function")
        if function is None or isinstance(function, _Made):
            return None
        return lambda inputs: to_list(function([*inputs, *self._phase_of("predict_function")]), allow_tuple=True)

    def _phase_of(self, name: str) -> list[float]:
        return [float(_PHASES[name])] if self._uses_dynamic_learning_phase() else []

    def _step_of(self, steps: Steps, name: str, function: Function) -> OwnStep:
        """A step that calls the function of a script."""
        outputs = steps.objective.outputs

        def step(inputs: Sequence[Array], targets: Sequence[Array], weights: Sequence[Array | None]) -> list[Any]:
            fed = iter(targets)
            each = [(output, next(fed) if output.fed else None, weight) for output, weight in zip(outputs, weights)]
            samples = len(inputs[0]) if inputs else len(targets[0])
            ones = [ones_for(y, output, samples) if weight is None else weight for output, y, weight in each]
            return to_list(function([*inputs, *targets, *ones, *self._phase_of(name)]), allow_tuple=True)

        return step

    def _split(self, who: str, values: Sequence[Any], counts: list[int]) -> list[list[Array]]:
        total = sum(counts)
        if len(values) not in (total, total + 1):
            raise ValueError(
                f"Model '{self.name}': {who} expects {total} arrays, and a learning phase if you like, got {len(values)}"
            )
        if len(values) > total and float(values[total]) != _PHASES[who]:
            raise ValueError(f"Model '{self.name}': {who} computes in the learning phase {_PHASES[who]}, got {values[total]}")
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        return [list(values[end - count : end]) for count, end in zip(counts, ends)]


_MAKERS = {name: (f"_make_{name}", getattr(StepFunctions, f"_make_{name}")) for name in _PHASES}
