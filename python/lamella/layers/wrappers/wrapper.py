"""Wrapper. Source: Keras 2.2.5 keras/layers/wrappers.py."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from lamella.core.configurable import Config, deserialize
from lamella.core.graphs import Assignment
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.graph.layer import Layer, takes_mask, takes_training
from lamella.graph.losses_and_updates import Update
from lamella.graph.symbolic import Symbolic
from lamella.graph.weights import Weighted
from lamella.graph.weights_in_calls import keeping_weights


class Wrapper(Layer):
    """Base of layers around one other layer, whose weights, losses and `trainable` are theirs.

    Deviations from Keras 2.2.5: a wrapper does not thaw a frozen layer unless `trainable=True` is given. `losses` of the wrapper
    include the penalty of the activity regularizer, which Keras lists only in `model.losses`. Updates and losses of calls are
    listed by the layer inside, the wrapper and its model. All of them count once in training: Keras drops losses that
    the `call` of the layer inside adds, and with a fixed batch size it drops updates and counts activity regularizers of
    TimeDistributed twice.
    """

    def _contains(self, held: Weighted) -> bool:
        """Always: as in Keras, the weights of a wrapper are those of its layer, also if a graph calls this layer too."""
        return True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__}: expected a layer, got {layer!r}")
        self.layer = layer
        super().__init__(**{"trainable": layer.trainable, **kwargs})

    def build(self, input_shape: Any = None) -> None:
        """Mark the wrapper as built. A subclass builds the layer inside.

        Args:
            input_shape: Shape of the input; subclasses of users call this method without it.
        """
        self.built = True

    @property
    def trainable(self) -> bool:
        """That of the layer inside."""
        return self.layer.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.layer.trainable = value

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        return self.layer.stateful

    @property
    def activity_regularizer(self) -> Any:  # type: ignore[override]
        """Of the wrapped layer: it counts the whole output, once."""
        return self.layer.activity_regularizer

    @property
    def uses_learning_phase(self) -> bool:
        return self.layer.uses_learning_phase if self.phase_given is None else self.phase_given

    @uses_learning_phase.setter
    def uses_learning_phase(self, value: bool) -> None:
        self.phase_given = bool(value)

    def _connect(self, tensors: list[Symbolic], single: bool, arguments: dict[str, Any]) -> Value:
        outputs = super()._connect(tensors, single, arguments)
        for layer in self.members()[1:]:
            layer.calls_around += (self._inbound_nodes[-1],)
        return outputs

    def get_weights(self) -> list[NDArray[Any]]:
        return self.layer.get_weights()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        self.layer.set_weights(weights)

    def get_losses_for(self, inputs: Any = None) -> list[Value]:
        return super().get_losses_for(inputs)

    def get_updates_for(self, inputs: Any = None) -> list[Update | Assignment]:
        return super().get_updates_for(inputs)

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A layer from what `get_config` returned.

        Args:
            config: The arguments.
            custom_objects: Classes and functions by name.
        """
        return cls(**{**config, "layer": deserialize("layers", config["layer"], custom_objects)})


def call_inside(layer: Layer, x: Value, *, mask: Any = None, training: bool | None = None, **arguments: Any) -> Value:
    """`layer.call`, with those of the arguments that it takes, frozen where the layer around it is.

    Unlike `layer(x)` it leaves the activity regularizer to the wrapper.
    """
    kind: type = type(layer)
    frozen = pending.updates is not None and pending.updates.frozen
    if mask is not None and hasattr(layer, "call_masked"):
        y, _ = layer.call_masked(x, mask, bool(training), frozen=frozen)
        return y
    if takes_training(kind):
        arguments["training"] = training
    if takes_mask(kind) and mask is not None:
        arguments["mask"] = mask
    call = getattr(layer, "call_frozen", layer.call) if frozen else layer.call
    return keeping_weights(layer, functools.partial(call, x, **arguments))
