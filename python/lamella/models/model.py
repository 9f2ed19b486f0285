"""Model: a network that can be compiled and fitted."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.core.protocols import SavedModel, TrainableModel
from lamella.core.registry import register
from lamella.core.warn import warn
from lamella.graph.symbolic import Symbolic
from lamella.models.network import Network
from lamella.models.own_call import OwnCall


@register("layers")
class Model(OwnCall, self_contained=True):
    """The layers between `inputs` and `outputs`. See Network for the graph, and Trainable for fit, evaluate and predict.

    A subclass may define `call` instead of passing inputs and outputs; see OwnCall.

    Args:
        inputs: A symbolic tensor, or a list of them.
        outputs: A symbolic tensor, or a list of them.
        name: Name of the model; None for a default name.
        trainable: Whether the weights of its layers are trained.
        dtype: Only of a subclass with its own `call`: the dtype of weights that it makes by add_weight; None for floatx.
        input: The name of `inputs` in Keras 1.
        output: The name of `outputs` in Keras 1.

    Raises:
        TypeError: inputs or outputs is missing, and not both in a subclass with its own `call`; or dtype is given beside them.
    """

    def __init__(
        self,
        inputs: Symbolic | Sequence[Symbolic] | None = None,
        outputs: Symbolic | Sequence[Symbolic] | None = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        *,
        input: Symbolic | Sequence[Symbolic] | None = None,
        output: Symbolic | Sequence[Symbolic] | None = None,
    ) -> None:
        if input is not None or output is not None:
            if (input is not None and inputs is not None) or (output is not None and outputs is not None):
                raise TypeError(f"{type(self).__name__}: expected inputs or input, outputs or output, got both")
            inputs = input if inputs is None else inputs
            outputs = output if outputs is None else outputs
            name_of_call = f"Model(inputs={inputs}, outputs={outputs})"
            warn(f"Update your `Model` call to the Keras 2 API: `{name_of_call}`")
        if inputs is None and outputs is None and type(self) is not Model:
            self._wait_for_inputs(name, trainable, dtype)
            return
        if inputs is None or outputs is None:
            raise TypeError(f"{type(self).__name__}: expected inputs and outputs, symbolic tensors made from Input")
        if dtype is not None:
            raise TypeError(f"{type(self).__name__}: dtype={dtype!r} is only for subclasses with their own `call`")
        Network.__init__(self, inputs, outputs, name=name, trainable=trainable)


def _as_protocols(model: Model) -> tuple[TrainableModel, SavedModel]:
    """For mypy: checks that a model has what `training` and `saving` need."""
    return model, model
