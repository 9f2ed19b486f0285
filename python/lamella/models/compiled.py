"""Compiled: attributes that Keras 2.2.5 gives a model when it is compiled, for scripts that compute with its loss themselves."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from lamella.core.config import floatx
from lamella.core.shapes import Shape
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.data.adapt import feed
from lamella.data.adapt.expected import ModelInputs
from lamella.graph.symbolic import Symbolic
from lamella.models.loss_tensors import LossTensors, loss_tensors
from lamella.training.output import Output
from lamella.training.step import Steps

T = TypeVar("T")

# Made at the first use: a training does not need them.
_made: weakref.WeakKeyDictionary[Steps, LossTensors] = weakref.WeakKeyDictionary()


def ones_for(target: Array | None, output: Output, samples: int) -> Array:
    """Sample weights of one. target: y of the output, None for one of target_tensors."""
    shape = (samples, *output.shape[1:]) if target is None else target.shape
    axes = 2 if output.mode == "temporal" else 1
    return np.ones([size or 1 for size in shape[:axes]], floatx() if target is None else target.dtype)


class own_attributes_first(Generic[T]):
    """A property that an attribute of the instance replaces: a user's model may have its own `targets`."""

    def __init__(self, get: Callable[[Any], T]) -> None:
        self._get, self.__doc__ = get, get.__doc__

    def __get__(self, model: Any, owner: type | None = None) -> T:
        return self if model is None else self._get(model)  # type: ignore[return-value]


class Compiled:
    """The parts of a compiled model. Each property raises AttributeError if the model is not compiled or not built.

    `K.function(model._feed_inputs + model._feed_targets + model._feed_sample_weights + [K.learning_phase()], ...)` computes
    `total_loss` and gradients of it; `_standardize_user_data` prepares the values.

    Source: Keras 2.2.5 keras/engine/training.py.
    """

    # Of the model that this is mixed into.
    name: str
    outputs: list[Symbolic]
    losses: Any
    optimizer: Any
    prepared_steps: Steps | None

    def compiled_steps(self, x: Any = None) -> Steps:
        raise NotImplementedError

    def _expected_inputs(self) -> ModelInputs:
        raise NotImplementedError

    @property
    def _is_compiled(self) -> bool:
        """Whether compile was called."""
        return self.optimizer is not None

    def _of_compile(self, what: str) -> Steps:
        if self.optimizer is None:
            raise AttributeError(f"Model '{self.name}': {what} exists after compile")
        try:
            return self.compiled_steps()
        except ValueError as error:
            raise AttributeError(f"Model '{self.name}': {what} exists when the model has an input shape. {error}") from None

    def _loss_tensors_of(self, what: str) -> LossTensors:
        steps = self._of_compile(what)
        if steps not in _made:
            _made[steps] = loss_tensors(self.outputs, steps.objective.outputs, self.losses, f"Model '{self.name}'")
        return _made[steps]

    @property
    def total_loss(self) -> Symbolic:
        """The loss that fit minimizes, as a scalar symbolic tensor of inputs, targets and sample weights: the weighted sum of the
        losses of the outputs, regularizers, and added losses. Losses of add_loss count if they were added before its first use.

        Raises:
            TypeError: A loss function does not compute with symbolic tensors.
        """
        return self._loss_tensors_of("total_loss").total

    @total_loss.setter
    def total_loss(self, value: object) -> None:
        raise AttributeError(
            f"Model '{self.name}': total_loss cannot be set, because fit would not use it; call add_loss before compile"
        )

    @own_attributes_first
    def targets(self) -> list[Symbolic | None]:
        """For each output the placeholder of its y; None for an output without a loss."""
        return list(self._loss_tensors_of("targets").targets)

    def _target_places(self) -> dict[Symbolic, int]:
        """The placeholders among `targets`, if a script has asked for them, and the outputs whose y they stand for."""
        made = None if self.prepared_steps is None else _made.get(self.prepared_steps)
        if made is None:
            return {}
        fed = {output.index for output in self._fed("targets") if output.target is None}
        return {x: i for i, x in enumerate(made.targets) if x is not None and i in fed}

    def _weight_places(self) -> dict[Symbolic, Output]:
        """The placeholders among `sample_weights`, if a script has asked for them, and their outputs."""
        made = None if self.prepared_steps is None else _made.get(self.prepared_steps)
        if made is None:
            return {}
        return {x: output for output in self._trained("weights") if (x := made.sample_weights[output.index]) is not None}

    @own_attributes_first
    def sample_weights(self) -> list[Symbolic | None]:
        """For each output the placeholder of its sample weights, [N] or for "temporal" [N, T]; None for one without a loss."""
        return list(self._loss_tensors_of("sample_weights").sample_weights)

    @own_attributes_first
    def loss_functions(self) -> list[Any]:
        """For each output its loss function, or None."""
        return self._by_output("loss_functions", [output.loss for output in self._trained("loss_functions")], None)

    @own_attributes_first
    def loss_weights_list(self) -> list[Any]:
        """For each output the factor of its loss."""
        weights = [output.weight for output in self._trained("loss_weights_list")]
        return self._by_output("loss_weights_list", weights, 1.0)

    @own_attributes_first
    def sample_weight_modes(self) -> list[str | None]:
        """For each output "temporal" or None."""
        return self._by_output("sample_weight_modes", [o.mode for o in self._trained("sample_weight_modes")], None)

    def _trained(self, what: str) -> Sequence[Output]:
        return self._of_compile(what).objective.outputs

    def _by_output(self, what: str, values: Sequence[Any], other: Any) -> list[Any]:
        places = {output.index: value for output, value in zip(self._trained(what), values, strict=True)}
        return [places.get(i, other) for i in range(len(self.outputs))]

    # The same for the outputs that have a loss; all but the weights only for those whose y is fed, see target_tensors.

    def _fed(self, what: str) -> Sequence[Output]:
        return [output for output in self._trained(what) if output.fed]

    @property
    def _feed_targets(self) -> list[Symbolic]:
        fed = {output.index for output in self._fed("_feed_targets")}
        return [x for i, x in enumerate(self._loss_tensors_of("_feed_targets").targets) if x is not None and i in fed]

    @property
    def _feed_sample_weights(self) -> list[Symbolic]:
        return [x for x in self._loss_tensors_of("_feed_sample_weights").sample_weights if x is not None]

    @property
    def _feed_outputs(self) -> list[Symbolic]:
        return [self.outputs[output.index] for output in self._fed("_feed_outputs")]

    @property
    def _feed_output_names(self) -> list[str]:
        return [output.name for output in self._fed("_feed_output_names")]

    @property
    def _feed_output_shapes(self) -> list[Shape]:
        return [output.shape for output in self._fed("_feed_output_shapes")]

    @property
    def _feed_loss_fns(self) -> list[Any]:
        return [output.loss for output in self._fed("_feed_loss_fns")]

    @property
    def _feed_sample_weight_modes(self) -> list[str | None]:
        return [output.mode for output in self._trained("_feed_sample_weight_modes")]

    @property
    def _collected_trainable_weights(self) -> list[Variable]:
        return list(self._of_compile("_collected_trainable_weights").variables)

    def _standardize_user_data(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        check_array_lengths: bool = True,
        batch_size: int | None = None,
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Lists of arrays for `_feed_inputs`, `_feed_targets` and `_feed_sample_weights`; the latter two empty without y.

        Args:
            x: As in train_on_batch.
            y: As in train_on_batch.
            sample_weight: As in train_on_batch.
            class_weight: As in train_on_batch.
            check_array_lengths: Must be True: arrays of unlike lengths are always refused.
            batch_size: Must be None or divide the number of samples, as for a stateful model.

        Raises:
            RuntimeError: y is given, and the model is not compiled.
            ValueError: The data does not fit the model.
        """
        if not check_array_lengths:
            raise ValueError(
                "_standardize_user_data: expected check_array_lengths=True, arrays of unlike lengths cannot be used"
            )
        outputs = [] if y is None else self.compiled_steps(x).objective.outputs
        data, _ = feed.data_of(self._expected_inputs(), outputs, x, y, sample_weight, class_weight)
        inputs, targets, weights = data.read()
        if batch_size and inputs and len(inputs[0]) % batch_size:
            raise ValueError(
                f"_standardize_user_data: the number of samples {len(inputs[0])} is not a multiple of batch_size={batch_size}"
            )
        fed = iter(targets)
        return (
            list(inputs),
            list(targets),
            [
                ones_for(next(fed) if output.fed else None, output, data.samples) if weight is None else weight
                for output, weight in zip(outputs, weights)
            ],
        )
