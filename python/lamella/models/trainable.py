"""Trainable: compile, fit, evaluate, predict for a network; each method hands over to `training`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from lamella import losses as _losses  # noqa: F401 - the names that compile looks up
from lamella import metrics as _metrics  # noqa: F401
from lamella import optimizers
from lamella.callbacks.history import History
from lamella.core.protocols import TrainableModel
from lamella.data.adapt import feed
from lamella.data.adapt.expected import ModelInputs
from lamella.data.sequence import is_generated
from lamella.models.generator_methods import GeneratorMethods
from lamella.training import evaluate as _evaluate
from lamella.training import run as _run
from lamella.training.exclusive import Holder, trainer_of
from lamella.training.objective import Objective
from lamella.training.options import EvaluateOptions, FitOptions, PredictOptions, takes
from lamella.training.step import Steps

# Arrays, lists or dicts of them: what Keras takes is checked in `data`.
Arrays = Any
Options = TypeVar("Options", FitOptions, EvaluateOptions, PredictOptions)


class Trainable(GeneratorMethods):
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
        target_tensors: None = None,
    ) -> None:
        """Choose how to train; the weights that are trainable now are the ones that are trained.

        Args:
            optimizer: name, config or instance.
            loss: name, function, or list or dict of them by output.
            metrics, weighted_metrics: list for every output, or dict by output; 'acc' fits loss and output.
            loss_weights: list or dict of numbers, or of scalars of K.variable, whose values count when a batch is due.
            sample_weight_mode: None or "temporal".

        Raises:
            ValueError or TypeError: In Keras's own words.
            RuntimeError: While the model is trained, from a callback, say, until its on_train_end. The model is then as it was.

        Deviation:  Keras goes on with the old optimizer, losses and weights until `fit` has returned, without a word, and
            takes the new ones from the next batch on in `fit_generator`.
        """
        self._refuse_compile_within_fit()
        if target_tensors is not None:
            raise ValueError("target_tensors: targets are arrays here, passed to fit")
        chosen = optimizers.get(optimizer)
        arguments = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics)
        steps = self._prepared(chosen, arguments) if self.built else None
        self.optimizer = chosen
        self.loss, self.metrics, self.loss_weights, self.sample_weight_mode, self.weighted_metrics = arguments
        self.metrics = metrics or []
        self.prepared_steps = steps

    def _refuse_compile_within_fit(self) -> None:
        trainer = trainer_of(self)
        if trainer is None:
            return
        if not trainer.here:
            raise RuntimeError(f"compile: model '{self.name}' is being trained by another thread; wait for it")
        callbacks = None if self.prepared_steps is None else self.prepared_steps.session.callbacks
        if callbacks is None or not callbacks.over:
            raise RuntimeError(
                f"compile: model '{self.name}' is being trained; the fit under way would go on with the old optimizer, "
                "losses and trainable weights. Set model.stop_training = True in the callback, compile when fit has "
                "returned, and call fit again with initial_epoch= for the rest of the epochs"
            )

    def _prepared(self, optimizer: Any, arguments: tuple[Any, ...]) -> Steps:
        network: Any = self
        loss, metrics, loss_weights, mode, weighted = arguments
        objective = Objective(
            network.output_names, network.output_shapes, loss, metrics, loss_weights, mode, weighted,
            penalized=bool(network.penalties),
        )  # fmt: skip
        return Steps(_whole(self), objective, optimizer)

    def compiled_steps(self, x: Arrays = None) -> Steps:
        """What compile prepared; a model that waited for its input shape is built from the data first."""
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
            self.prepared_steps = self._prepared(self.optimizer, arguments)
        return self.prepared_steps

    def _to_train(self, x: Arrays) -> Steps:
        """`compiled_steps`, with Keras's warning where `trainable` has changed since."""
        steps = self.compiled_steps(x)
        self.warn_if_stale()
        return steps

    def warn_if_stale(self) -> None:
        """Keras's warning where `trainable` has changed since compile; summary gives it, too."""
        steps = self.prepared_steps
        if steps is not None:
            steps.warn_if_stale(_whole(self).variables_behind(steps.trained_outputs))

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

    def _make_train_function(self) -> None:
        """Give the optimizer its state for this model's weights, all zeros, so that `optimizer.set_weights` can follow.

        Keras's name: scripts that restore an optimizer call it.
        """
        self.compiled_steps().bind_optimizer()

    def _make_predict_function(self) -> None:
        """Nothing to do: there is no function to compile before threads predict. Keras's name: web servers call it."""

    def _make_test_function(self) -> None:
        """Nothing to do, see `_make_predict_function`. Raises RuntimeError before compile, as Keras does."""
        self.compiled_steps()

    @property
    def metrics_names(self) -> list[str]:
        """The columns of what evaluate returns, "loss" first. Raises AttributeError before compile."""
        if self.optimizer is None:
            raise AttributeError("You must compile your model before asking for its metrics_names.")
        return list(self.compiled_steps().objective.names)

    def metric_direction(self, name: str) -> str | None:
        """ "min" or "max" where the metric behind a column of the logs says so; "val_" is read past."""
        return None if self.prepared_steps is None else self.prepared_steps.objective.direction(name.removeprefix("val_"))

    @takes(FitOptions, renamed={"nb_epoch": "epochs"})
    def fit(self, options: FitOptions) -> History:
        """Train for the epochs initial_epoch .. epochs - 1, on arrays, or on a generator's batches (x, y[, weights]).

        HDF5Matrix, h5py datasets, np.memmap and scipy's sparse matrices are arrays, too, of which each batch is read and
        converted when it is due, and its values are checked then; evaluate and predict take them alike.

        Returns:
            The History of this fit, also `model.history`.

        Raises:
            RuntimeError: Before compile and while another thread trains the model.
            ValueError or TypeError: In Keras's own words before any weight has changed.
        """
        return self._run_fit(options)

    @takes(EvaluateOptions)
    def evaluate(self, options: EvaluateOptions) -> float | list[float]:
        """The loss, or a list in the order of `metrics_names`: means over all samples, in the inference phase."""
        return self._run_evaluate(options)

    @takes(PredictOptions)
    def predict(self, options: PredictOptions) -> Arrays:
        """The outputs for all samples, in the inference phase: an array, or a list for several. Needs no compile."""
        return self._run_predict(options)

    def _run_fit(self, options: FitOptions) -> History:
        sample, options = self._first_seen(options)
        return _run.fit(self._to_train(sample), self._expected_of_run(), options)

    def _run_evaluate(self, options: EvaluateOptions) -> float | list[float]:
        sample, options = self._first_seen(options)
        return _evaluate.evaluate(self.compiled_steps(sample), self._expected_of_run(), options)

    def _run_predict(self, options: PredictOptions) -> Arrays:
        sample, options = self._first_seen(options)
        self._build_from(sample)
        return _evaluate.predict(_whole(self), self._expected_of_run(), options)

    def _first_seen(self, options: Options) -> tuple[Arrays, Options]:
        """What shows an unbuilt model the shape of its input: the arrays, or the first batch of a generator; and the options,
        whose generator still begins with it.
        """
        if self.built or not is_generated(options.x):
            return options.x, options
        from lamella.data.generated import first_of  # with its workers it is five modules

        first, source = first_of(options.x, options.worker_options)
        return first, replace(options, x=source)

    def train_on_batch(self, x: Arrays, y: Arrays, sample_weight: Any = None, class_weight: Any = None) -> float | list[float]:
        """One step on all of x; returns what evaluate would, in the training phase and before the update."""
        return _evaluate.train_on_batch(self._to_train(x), self._expected_inputs(), x, y, sample_weight, class_weight)

    def test_on_batch(self, x: Arrays, y: Arrays, sample_weight: Any = None) -> float | list[float]:
        """The loss and metrics of one batch."""
        return _evaluate.test_on_batch(self.compiled_steps(x), self._expected_inputs(), x, y, sample_weight)

    def gradients_on_batch(self, x: Arrays, y: Arrays, sample_weight: Any = None) -> list[Arrays]:
        """Gradients of the loss by `trainable_weights`, in the inference phase; nothing is updated. Not in Keras."""
        return _evaluate.gradients_on_batch(self.compiled_steps(x), self._expected_inputs(), x, y, sample_weight)

    def activations_on_batch(self, x: Arrays) -> dict[str, Arrays]:
        """The output of each layer that is called once, by its name, in the inference phase. Not in Keras."""
        self._build_from(x)
        return _evaluate.activations_on_batch(_whole(self), self._expected_inputs(), x)

    def get_training_state(self, *, within_epoch: bool = False) -> dict[str, Any]:
        """Copies of all that training goes on from: weights, the optimizer with its learning rate, random numbers, what
        stateful layers carry over, and within an epoch what metrics have gathered; as lists and dicts of numbers and arrays.
        Not in Keras.
        """
        from lamella.training import state

        return state.get_state(self.compiled_steps(), within_epoch=within_epoch)

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what get_training_state returned. Raises ValueError, with nothing set, where the model is another."""
        from lamella.training import state as _state

        _state.set_state(self.compiled_steps(), state)

    def predict_on_batch(self, x: Arrays) -> Arrays:
        """The outputs for one batch."""
        self._build_from(x)
        return _evaluate.predict_on_batch(_whole(self), self._expected_inputs(), x)


def _whole(trainable: Trainable) -> TrainableModel:
    """With the network that it is mixed into; that a Model is one is checked in models/model.py."""
    return cast(TrainableModel, trainable)
