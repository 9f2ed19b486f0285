"""Types for objects whose classes are defined in rooms that must not be imported. mypy checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from lamella.core.atomic import Call
from lamella.core.random import Stream
from lamella.core.shapes import Shape
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.variable import Variable


class WeightedLayer(Protocol):
    """A layer, for code that uses only its weights."""

    name: str

    @property
    def weights(self) -> Sequence[Variable]: ...


class SavedLayer(WeightedLayer, Protocol):
    """A layer, for code that writes its weights to a file and reads them."""

    def weights_by_kind(self) -> tuple[Sequence[Variable], Sequence[Variable]]:
        """The weights that were made trainable, and the others. It does not depend on which are frozen."""
        ...


class StateUpdate(Protocol):
    """A Variable that a stateful layer changes in each batch."""

    @property
    def variable(self) -> Variable: ...


class TrainableModel(Protocol):
    """A model, for fit, evaluate, predict and a step.

    Attributes:
        name: Its name.
        stop_training: Set by callbacks to end training after the current batch.
        history: A callbacks.History.
        trained_by: The block that trains the model, see training/exclusive.py.
    """

    name: str
    stop_training: bool
    history: Any
    trained_by: Any

    @property
    def layers(self) -> Sequence[WeightedLayer]: ...
    @property
    def trainable_weights(self) -> Sequence[Variable]: ...
    @property
    def input_names(self) -> Sequence[str]: ...
    @property
    def output_shapes(self) -> Sequence[Shape]: ...
    @property
    def state_updates(self) -> Sequence[StateUpdate]: ...
    @property
    def penalties(self) -> Sequence[Callable[[], Value]]:
        """The terms of the loss besides the losses of the outputs, from the last run."""
        ...

    @property
    def losses_of_steps(self) -> Sequence[Any]:
        """The symbolic tensors of losses that only a step computes, because they read placeholders of y, or because only a
        subclass's own `losses` has them.
        """
        ...

    def layers_within(self) -> Sequence[Any]:
        """The model and all layers inside it, each once."""
        ...

    def run(self, inputs: Sequence[Value], training: bool = False, updates: Updates | None = None) -> list[Value]:
        """The value of each output.

        Args:
            inputs: A value for each input.
            training: Whether the training phase is used.
            updates: The new values of the layers' state are written to it. The caller applies them.
        """
        ...

    def with_functions(
        self,
        functions: Sequence[tuple[int, Callable[..., Any]]],
        targets: Mapping[int, Array],
        given: Mapping[int, Any],
        tensors: Sequence[Any],
    ) -> Callable[..., tuple[Any, list[Any]]]:
        """`run`, which also computes losses and metrics that read symbolic tensors of the model, and other tensors.

        Args:
            functions: The index of an output, and a function of y and of this output.
            targets: The y that are fed, by output, as examples of shape and dtype.
            given: By output, the tensor that stands for its y.
            tensors: Symbolic tensors of the model's inputs, of y and of sample weights.

        Returns:
            A function (inputs, targets, weights, training, updates) -> (outputs, values of the functions and of the tensors).
            Targets and sample weights, which may be None, are dicts by output.
        """
        ...

    def run_inside(self, inputs: Sequence[Value]) -> dict[str, Value]:
        """The outputs, by name, of the layers that are called once, in the inference phase."""
        ...

    def variables_behind(self, outputs: Sequence[int], read: Sequence[Any] = ()) -> list[Variable]:
        """The trainable variables on which a loss of these outputs may depend."""
        ...

    def variables_behind_calls(self, outputs: Sequence[int]) -> list[Variable]:
        """Those of them on which only an add_loss in a layer's call may depend."""
        ...

    def get_weights(self) -> list[Array]: ...
    def set_weights(self, weights: Sequence[Array]) -> None: ...


class PreparedTraining(Protocol):
    """The prepared training of a compiled model, for code that saves and restores its state; see training/step.py.

    Attributes:
        variables: The trained Variables.
        stream: The stream of the training's random numbers.
        session: The session of the last fit, see training/session.py.
        bound: Whether the optimizer has a state for the variables.
    """

    variables: list[Variable]
    stream: Stream
    session: Any

    @property
    def bound(self) -> bool: ...
    def collect(self, variables: Sequence[Variable]) -> None: ...
    def bind_optimizer(self) -> None: ...
    def bind_given(self) -> None: ...
    def select_optimizer_state(self) -> None: ...


class SavedModel(Protocol):
    """A model, for code that saves it and compiles it again."""

    name: str
    # The arguments of compile: names, functions, objects, and lists and dicts of them.
    loss: Any
    loss_weights: Any
    metrics: Any
    weighted_metrics: Any
    sample_weight_mode: Any
    optimizer: Optimizer | None

    @property
    def layers(self) -> Sequence[SavedLayer]: ...
    @property
    def prepared_steps(self) -> PreparedTraining | None: ...

    output_names: list[str]

    def compiled_steps(self) -> PreparedTraining: ...
    def compile(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
    ) -> None: ...


class Optimizer(Protocol):
    """An optimizer, for a step and for code that saves and restores its state; see lamella.optimizers.Optimizer."""

    iterations: Variable

    @property
    def weights(self) -> Sequence[Variable]: ...

    @property
    def commits(self) -> bool:
        """Whether `step_and` does the same as `step`: False for a class with its own `step`."""
        ...

    @property
    def applies_constraints(self) -> bool:
        """Whether `step` also takes constraints of the parameters, and applies them."""
        ...

    @property
    def was_given_state(self) -> bool:
        """Whether it has a state that is not yet bound to parameters."""
        ...

    def step(self, params: Sequence[Array], grads: Sequence[Array], **constraints: Any) -> bool: ...
    def step_and(
        self, params: Sequence[Array], grads: Sequence[Array], then: Sequence[Call] = (), projections: Sequence[Call] = ()
    ) -> bool: ...
    def bind(self, params: Sequence[Array], names: Sequence[str], then: Callable[[Any], Call]) -> object: ...
    def select_state(self, params: Sequence[Array], state: Any) -> None: ...
    def state_for(self, params: Sequence[Array]) -> Any: ...
    def get_weights(self) -> list[Array]: ...
    def set_weights(self, weights: Sequence[Array]) -> None: ...


class Communicator(Protocol):
    """Averages the gradients of a step over all processes that train the same model; see Steps.communicator."""

    def average(self, grads: list[Array]) -> list[Array]:
        """Average the gradients. A step calls it before the optimizer, in each process with gradients of the same shapes.

        Args:
            grads: One for each trained weight. They must not be changed.

        Returns:
            Arrays of the same shapes and dtypes, with the same bits in every process.
        """
        ...
