"""What rooms ask of objects whose classes stand in a room above them or beside them, as types that mypy checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lamella.core.atomic import Call
from lamella.core.random import Stream
from lamella.core.types import Array, Value
from lamella.core.updates import Updates
from lamella.core.variable import Variable


class WeightedLayer(Protocol):
    """A layer, for who looks at its weights only."""

    name: str

    @property
    def weights(self) -> Sequence[Variable]: ...


class SavedLayer(WeightedLayer, Protocol):
    """A layer, for who writes its weights to a file and reads them from one."""

    def weights_by_kind(self) -> tuple[Sequence[Variable], Sequence[Variable]]:
        """Those made to be trained, and the others, whatever is frozen now."""
        ...


class MovedState(Protocol):
    """That a stateful layer moves a Variable in each batch."""

    @property
    def variable(self) -> Variable: ...


class TrainableModel(Protocol):
    """What fit, evaluate, predict and a step ask of a model.

    Attributes:
        stop_training: Set by callbacks; the loop ends with the batch at hand.
        history: A callbacks.History, of a room above.
        trained_by: The block that trains the model, see training/exclusive.py.
    """

    name: str
    stop_training: bool
    history: Any
    trained_by: Any

    @property
    def layers(self) -> Sequence[WeightedLayer]: ...
    @property
    def input_names(self) -> Sequence[str]: ...
    @property
    def state_updates(self) -> Sequence[MovedState]: ...
    @property
    def penalties(self) -> Sequence[Callable[[], Value]]:
        """What the loss gets besides the outputs' losses, as of the last run."""
        ...

    def run(self, inputs: Sequence[Value], training: bool = False, updates: Updates | None = None) -> list[Value]:
        """One value per output. updates: Gets the new values of the layers' state; whoever runs the model applies them."""
        ...

    def run_inside(self, inputs: Sequence[Value]) -> dict[str, Value]:
        """The output of each layer that is called once, by its name, in inference."""
        ...

    def variables_behind(self, outputs: Sequence[int]) -> list[Variable]:
        """The trainable variables that a loss of these outputs can depend on."""
        ...

    def variables_behind_calls(self, outputs: Sequence[int]) -> list[Variable]:
        """Those of them that only an add_loss in some layer's call can reach."""
        ...

    def get_weights(self) -> list[Array]: ...
    def set_weights(self, weights: Sequence[Array]) -> None: ...


class PreparedTraining(Protocol):
    """What a file has of a compiled model's training, and gives back to it; see training/step.py.

    Attributes:
        variables: The ones that are trained.
        stream: Of the training's random numbers.
        session: Of the last fit, see training/session.py: of a room above.
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
    """What model files hold of a model, and how it is compiled as it was."""

    name: str
    # What compile was given: names, functions, objects, lists and dicts of them.
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
    """What a step, a file and a resumed training ask of an optimizer; see lamella.optimizers.Optimizer."""

    iterations: Variable

    @property
    def weights(self) -> Sequence[Variable]: ...

    @property
    def commits(self) -> bool:
        """Whether `step_and` does what `step` does: False for a class that writes a `step` of its own."""
        ...

    @property
    def was_given_state(self) -> bool:
        """Whether it has got a state that no parameters have taken up yet."""
        ...

    def step(self, params: Sequence[Array], grads: Sequence[Array]) -> bool: ...
    def step_and(
        self, params: Sequence[Array], grads: Sequence[Array], then: Sequence[Call] = (), projections: Sequence[Call] = ()
    ) -> bool: ...
    def bind(self, params: Sequence[Array], names: Sequence[str], then: Callable[[Any], Call]) -> object: ...
    def select_state(self, params: Sequence[Array], state: Any) -> None: ...
    def get_weights(self) -> list[Array]: ...
    def set_weights(self, weights: Sequence[Array]) -> None: ...


class Communicator(Protocol):
    """Averages the gradients of a step over all processes that train the same model; see Steps.communicator."""

    def average(self, grads: list[Array]) -> list[Array]:
        """Called between the gradients and the optimizer, in each process with gradients of the same shapes.

        Args:
            grads: One for each trained weight, read only.

        Returns:
            Arrays of the same shapes and dtypes, with the same bits in every process.
        """
        ...
