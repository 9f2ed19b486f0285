"""Trainable: compile, fit, evaluate and predict. Each method calls `training`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from lamella import losses as _losses  # noqa: F401 - the names that compile looks up
from lamella import metrics as _metrics  # noqa: F401
from lamella import optimizers
from lamella.callbacks.history import History
from lamella.core.names import for_all_calls
from lamella.core.protocols import TrainableModel
from lamella.core.types import Array
from lamella.data.adapt import feed
from lamella.data.adapt.expected import ModelInputs
from lamella.data.sequence import is_generated
from lamella.graph.trace import trace
from lamella.models import target_tensors as target_tensors_
from lamella.models.generator_methods import GeneratorMethods
from lamella.models.step_functions import StepFunctions
from lamella.training import evaluate as _evaluate
from lamella.training import run as _run
from lamella.training.evaluate import Numbers
from lamella.training.exclusive import Holder, trainer_of
from lamella.training.objective import Objective
from lamella.training.options import EvaluateOptions, FitOptions, PredictOptions, takes
from lamella.training.step import Steps

# An array, or a list or dict of arrays. `data` checks them.
Arrays = Any
Options = TypeVar("Options", FitOptions, EvaluateOptions, PredictOptions)


class Trainable(StepFunctions, GeneratorMethods):
    """The training methods of a model. Source: Keras 2.2.5 keras/engine/training.py."""

    # Of the network that this is mixed into.
    name: str
    built: bool

    optimizer: Any = None
    loss: Any = None
    loss_weights: Any = None
    metrics: Any = ()
    weighted_metrics: Any = None
    sample_weight_mode: Any = None
    _target_tensors: Any = None
    history: History | None = None
    stop_training: bool = False
    trained_by: Holder | None = None
    prepared_steps: Steps | None = None

    def compile(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
    ) -> None:
        """Set optimizer, losses and metrics. fit trains the weights that are trainable at this moment.

        Args:
            optimizer: A name, a config, or an optimizer.
            loss: A name, a function or an object; or a list or dict of them, one for each output.
            metrics: A list for every output, or a dict by output. 'acc' stands for the accuracy that fits the loss and output.
            loss_weights: A list or dict of numbers, one for each output. A scalar of K.variable counts with its value at the
                time of each batch.
            sample_weight_mode: None, or "temporal" for weights [N, T]; or a list or dict of them.
            weighted_metrics: Metrics to which sample weights apply, in the form of `metrics`.
            target_tensors: A tensor, or a list or dict of them, one for each output. It is the y of the output: its value in
                each step, if it is a Variable, an array or a function of the model's inputs; then fit takes no y for this
                output. For a placeholder fit takes y as usual.

        Raises:
            TypeError: An argument has a wrong type. The message is that of Keras if it has one.
            ValueError: An argument does not fit the model. The message is that of Keras if it has one.
            RuntimeError: The model is being trained, for example if a callback before its on_train_end calls compile. The model
                is unchanged.

        Source: Keras 2.2.5. There `fit` continues silently with the old optimizer, losses and weights until it returns, and
            `fit_generator` uses the new ones from the next batch on.
        """
        self._refuse_compile_within_fit()
        chosen = optimizers.get(optimizer)
        arguments = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics)
        steps = self._prepared(chosen, arguments, target_tensors) if self.built else None
        self.optimizer, self._target_tensors = chosen, target_tensors
        self.loss, self.metrics, self.loss_weights, self.sample_weight_mode, self.weighted_metrics = arguments
        self.metrics = metrics or []
        self.prepared_steps, self._functions = steps, None

    def _refuse_compile_within_fit(self) -> None:
        trainer = trainer_of(self)
        if trainer is None:
            return
        if not trainer.here:
            raise RuntimeError(f"compile: model '{self.name}' is being trained by another thread; wait for it")
        callbacks = None if self.prepared_steps is None else self.prepared_steps.session.callbacks
        if callbacks is None or not callbacks.over:
            raise RuntimeError(
                f"compile: model '{self.name}' is being trained; the running fit would continue with the old optimizer, "
                "losses and trainable weights. Set model.stop_training = True in the callback, compile when fit has "
                "returned, and call fit again with initial_epoch= for the rest of the epochs"
            )

    def _prepared(self, optimizer: Any, arguments: tuple[Any, ...], target_tensors: Any) -> Steps:
        network: Any = self
        layers = [x._keras_history[0].name for x in network.outputs]
        loss, metrics, loss_weights, mode, weighted = (for_all_calls(a, network.output_names, layers) for a in arguments)
        network.notice_updates()
        targets = None
        if target_tensors is not None:
            given = for_all_calls(target_tensors, network.output_names, layers)
            listed = target_tensors_.by_output(given, network.output_names)
            targets = [(x, target_tensors_.is_fed(x, network.inputs)) for x in listed]
        of_steps = network.losses_of_steps
        if of_steps:
            trace([*network.inputs, *(x for x, fed in targets or () if fed and x is not None)], of_steps)
        objective = Objective(
            network.output_names, network.output_shapes, loss, metrics, loss_weights, mode, weighted,
            layers=layers, targets=targets, penalized=bool(network.penalties or of_steps),
        )  # fmt: skip
        return Steps(_whole(self), objective, optimizer)

    def with_functions(
        self,
        functions: Sequence[tuple[int, Callable[..., Any]]],
        targets: Mapping[int, Array],
        given: Mapping[int, Any],
        tensors: Sequence[Any],
    ) -> Callable[..., tuple[Any, list[Any]]]:
        """The model with functions (losses, metrics) that read its tensors, and other tensors: see `models/captured.py`.

        Args:
            functions: The index of an output, and a function of y and of this output.
            targets: The y that are fed, by output, as examples of shape and dtype.
            given: By output, the tensor that stands for its y.
            tensors: Symbolic tensors of the model's inputs, of y and of sample weights.
        """
        from lamella.models.captured import with_functions  # which imports Network

        network: Any = self
        return with_functions(network, functions, targets, given, tensors, self._target_places(), self._weight_places())

    def compiled_steps(self, x: Arrays = None) -> Steps:
        """The steps that compile prepared. A model without input shape is built from the data first.

        Args:
            x: The data.

        Raises:
            RuntimeError: The model is not compiled.
            ValueError: The model is not built, and there is no data.
        """
        if self.optimizer is None:
            raise RuntimeError("You must compile your model before using it.")
        if self.prepared_steps is None:
            self._build_from(x)
            if not self.built:
                raise ValueError(
                    f"This model has not yet been built. Build the model '{self.name}' first by calling build() or "
                    "calling fit() with some data."
                )
            arguments = (self.loss, self.metrics, self.loss_weights, self.sample_weight_mode, self.weighted_metrics)
            self.prepared_steps = self._prepared(self.optimizer, arguments, self._target_tensors)
        return self.prepared_steps

    def _to_train(self, x: Arrays) -> Steps:
        """`compiled_steps`, with Keras's warning if `trainable` has changed since compile."""
        steps = self.compiled_steps(x)
        self._make_for_run("train_function")
        self.warn_if_stale()
        return steps

    def _to_test(self, x: Arrays) -> Steps:
        steps = self.compiled_steps(x)
        self._make_for_run("test_function")
        return steps

    def warn_if_stale(self) -> None:
        """Give Keras's warning if `trainable` has changed since compile, as summary also does."""
        steps = self.prepared_steps
        if steps is not None:
            steps.warn_if_stale(_whole(self).variables_behind(steps.trained_outputs, steps.read))

    def _expected_inputs(self) -> ModelInputs:
        network: Any = self
        return ModelInputs(*map(network.fed, (network.input_names, network.input_shapes, network.input_dtypes)))

    def _expected_of_run(self) -> ModelInputs:
        network: Any = self
        return self._expected_inputs()._replace(stateful=network.stateful, uses_learning_phase=network.uses_learning_phase)

    def _build_from(self, x: Arrays) -> None:
        if not self.built and x is not None:
            network: Any = self
            network.build_from(feed.arrays_to_build_from(x))

    def _check_trainable_weights_consistency(self) -> None:
        """Give Keras's warning if `trainable` has changed since compile."""
        self.warn_if_stale()

    @property
    def metrics_names(self) -> list[str]:
        """The names of the numbers that evaluate returns, "loss" first; see also `metrics_tensors`.

        Raises:
            AttributeError: The model is not compiled.
        """
        return self._objective_for("metrics_names").names

    @metrics_names.setter
    def metrics_names(self, value: Sequence[str]) -> None:
        self.metrics_names[:] = value

    @property
    def stateful_metric_names(self) -> list[str]:
        """The names of the metrics that keep their state over an epoch.

        Raises:
            AttributeError: The model is not compiled.
        """
        return list(self._objective_for("stateful_metric_names").stateful_names)

    def _objective_for(self, asked: str) -> Objective:
        if self.optimizer is None:
            raise AttributeError(f"You must compile your model before asking for its {asked}.")
        return self.compiled_steps().objective

    def metric_direction(self, name: str) -> str | None:
        """The direction that the metric of the column `name` of the logs declares: "min", "max" or None. "val_" is ignored."""
        return None if self.prepared_steps is None else self.prepared_steps.objective.direction(name.removeprefix("val_"))

    @takes(FitOptions, renamed={"nb_epoch": "epochs"})
    def fit(self, options: FitOptions) -> History:
        """Train for the epochs initial_epoch to epochs - 1.

        The data is arrays, or batches (x, y) or (x, y, weights) of a generator or Sequence. HDF5Matrix, h5py datasets, np.memmap
        and SciPy's sparse matrices count as arrays. Of these, each batch is read, converted and checked when it is used.
        evaluate and predict accept them too.

        Returns:
            The History of this fit, which is also `model.history`.

        Raises:
            RuntimeError: The model is not compiled, or another thread trains it.
            TypeError: An argument has a wrong type. No weight has changed.
            ValueError: Arguments or data do not fit. No weight has changed. The message is that of Keras if it has one.
        """
        return self._run_fit(options)

    @takes(EvaluateOptions)
    def evaluate(self, options: EvaluateOptions) -> Numbers:
        """Compute loss and metrics in the inference phase.

        Returns:
            The loss, or a list in the order of `metrics_names`, or a dict by name: means over all samples.
        """
        return self._run_evaluate(options)

    @takes(PredictOptions)
    def predict(self, options: PredictOptions) -> Arrays:
        """Compute the outputs in the inference phase. The model need not be compiled.

        Returns:
            An array with a row for each sample, or a list of arrays for several outputs. For arrays without samples they have no
            rows; Keras returns an empty list.
        """
        return self._run_predict(options)

    def _run_fit(self, options: FitOptions) -> History:
        sample, options = self._first_seen(options)
        steps = self._to_train(sample)
        if options.validation_data is not None or options.validation_split:
            self._make_for_run("test_function")
        return _run.fit(steps, self._expected_of_run(), options)

    def _run_evaluate(self, options: EvaluateOptions) -> Numbers:
        sample, options = self._first_seen(options)
        steps = self._to_test(sample)
        values = _evaluate.evaluate(steps, self._expected_of_run(), options)
        return _evaluate.as_numbers(values, steps.objective.names, return_dict=options.return_dict)

    def _run_predict(self, options: PredictOptions) -> Arrays:
        sample, options = self._first_seen(options)
        self._build_from(sample)
        self._make_for_run("predict_function")
        return _evaluate.predict(_whole(self), self._expected_of_run(), options, self._own_predict())

    def _first_seen(self, options: Options) -> tuple[Arrays, Options]:
        """Data from which an unbuilt model gets its input shape: the arrays, or the first batch of a generator. The returned
        options have a generator that still begins with this batch.
        """
        if self.built or not is_generated(options.x):
            return options.x, options
        from lamella.data.generated import first_of  # imported late: with its workers it is five modules

        with_targets = not isinstance(options, PredictOptions)
        first, source = first_of(options.x, options.worker_options, with_targets=with_targets)
        return first, replace(options, x=source)

    def train_on_batch(
        self,
        x: Arrays,
        y: Arrays,
        sample_weight: Any = None,
        class_weight: Any = None,
        *,
        reset_metrics: bool | None = None,
        return_dict: bool = False,
    ) -> Numbers:
        """One training step on one batch.

        Args:
            x: The inputs.
            y: The values that the model should output.
            sample_weight: Sample weights, or None.
            class_weight: As in `fit`.
            reset_metrics: Whether metrics with a state count this batch alone. None: in the dialect of tf.keras, as there. In
                Keras 2.2.5 they continue over calls.
            return_dict: Whether to return a dict by name, as tf.keras.

        Returns:
            The loss, or a list in the order of `metrics_names`, or a dict, computed in the training phase before the update.
        """
        steps = self._to_train(x)
        values = _evaluate.train_on_batch(
            steps, self._expected_inputs(), x, y, sample_weight, class_weight, reset_metrics=reset_metrics
        )
        return _evaluate.as_numbers(values, steps.objective.names, return_dict=return_dict)

    def test_on_batch(
        self,
        x: Arrays,
        y: Arrays,
        sample_weight: Any = None,
        *,
        reset_metrics: bool | None = None,
        return_dict: bool = False,
    ) -> Numbers:
        """Loss and metrics of one batch, in the inference phase.

        Args:
            x: The inputs.
            y: The values that the model should output.
            sample_weight: Sample weights, or None.
            reset_metrics: As in `train_on_batch`.
            return_dict: As in `train_on_batch`.

        Returns:
            The loss, or a list in the order of `metrics_names`, or a dict.
        """
        steps = self._to_test(x)
        values = _evaluate.test_on_batch(steps, self._expected_inputs(), x, y, sample_weight, reset_metrics=reset_metrics)
        return _evaluate.as_numbers(values, steps.objective.names, return_dict=return_dict)

    def reset_metrics(self) -> None:
        """Begin anew the metrics that have a state. Source: tf.keras."""
        if self.prepared_steps is not None:  # before, none has one
            self.prepared_steps.objective.reset()

    def gradients_on_batch(self, x: Arrays, y: Arrays, sample_weight: Any = None) -> list[Arrays]:
        """Gradients of the loss in the inference phase. Nothing is updated. Not in Keras.

        Args:
            x: The inputs.
            y: The values that the model should output.
            sample_weight: Sample weights, or None.

        Returns:
            An array for each of `trainable_weights`; zeros for a weight that is not trained, as no output with a loss depends
            on it.
        """
        steps = self.compiled_steps(x)
        wanted = _whole(self).trainable_weights
        return _evaluate.gradients_on_batch(steps, self._expected_inputs(), x, y, sample_weight, wanted)

    def activations_on_batch(self, x: Arrays) -> dict[str, Arrays]:
        """The outputs of layers in the inference phase. Not in Keras.

        Args:
            x: The inputs.

        Returns:
            A dict from the name of each layer that is called once to its output.
        """
        self._build_from(x)
        return _evaluate.activations_on_batch(_whole(self), self._expected_inputs(), x)

    def get_training_state(self, *, within_epoch: bool = False) -> dict[str, Any]:
        """The complete state of the training, as copies. Not in Keras.

        Args:
            within_epoch: Whether to include the state of metrics, which is needed in the middle of an epoch.

        Returns:
            Lists and dicts of numbers and arrays: weights, optimizer with its learning rate, random stream, states of stateful
            layers and metrics.
        """
        from lamella.training import state

        return state.get_state(self.compiled_steps(), within_epoch=within_epoch)

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state. Not in Keras.

        Args:
            state: As get_training_state returned it.

        Raises:
            ValueError: The state is of another model or optimizer. Nothing is set.
        """
        from lamella.training import state as _state

        _state.set_state(self.compiled_steps(), state)

    def predict_on_batch(self, x: Arrays) -> Arrays:
        """The outputs for one batch, in the inference phase.

        Args:
            x: The inputs.

        Returns:
            An array, or a list of arrays for several outputs.
        """
        self._build_from(x)
        self._make_for_run("predict_function")
        return _evaluate.predict_on_batch(_whole(self), self._expected_inputs(), x, self._own_predict())


def _whole(trainable: Trainable) -> TrainableModel:
    """The object as a TrainableModel. models/model.py checks that a Model is one."""
    return cast(TrainableModel, trainable)
