"""Bidirectional. Source: Keras 2.2.5 keras/layers/wrappers.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from lamella.core.configurable import Config, serialize
from lamella.core.registry import custom_object_scope, register
from lamella.core.scopes import at_least_inside, inside
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.graph.run_losses import RunLosses
from lamella.layers.recurrent.states_in_call import StatesInCall
from lamella.layers.wrappers.wrapper import Wrapper, call_inside
from lamella.ops import add, concatenate, flip, multiply

_MERGES: dict[str | None, Callable[[Value, Value], Value]] = {
    "sum": add,
    "mul": multiply,
    "ave": lambda y, reverse: multiply(add(y, reverse), 0.5),
    "concat": lambda y, reverse: concatenate(y, reverse, axis=-1),
    None: lambda y, reverse: [y, reverse],
}


@register("layers")
class Bidirectional(StatesInCall, Wrapper):
    """A recurrent layer over the steps from the first to the last, and another from the last to the first.

    The first has the weights of `layer`, the second new ones. With return_sequences the second one's outputs are put back in
    the order of time before merging. At masked steps each direction repeats its output, see RNN.

    Args:
        layer: A recurrent layer.
        merge_mode: "sum", "mul", "ave", "concat" on the last axis, or None: both outputs.
        weights: Initial weights, the forward layer's, then the backward layer's.

    With return_state: [merged output, *forward states, *backward states]; initial_state takes states in that order.

    Deviations from Keras 2.2.5: `weights` are set, where Keras drops them. With a stateful layer it is stateful; Keras's own
    `stateful` stays False, so that predict forgets the states and model.reset_states() keeps them.

    Raises:
        ValueError: For another merge_mode, and for an odd number of initial states.
    """

    supports_masking = True
    makes_masks = False

    def __init__(
        self, layer: Layer, merge_mode: str | None = "concat", weights: Sequence[ArrayLike] | None = None, **kwargs: Any
    ) -> None:
        if merge_mode not in _MERGES:
            raise ValueError('Invalid merge mode. Merge mode should be one of {"sum", "mul", "ave", "concat", None}')
        if not isinstance(layer, StatesInCall):
            raise ValueError(f"Bidirectional: expected a recurrent layer, got {layer!r}")
        self._num_constants = kwargs.pop("num_constants", None)
        self._name_inside = layer.name
        # Any: what the layers of an RNN have, and those of a user's class.
        self.forward_layer: Any = copy.copy(layer)
        self.forward_layer._inbound_nodes, self.forward_layer.calls_around = [], ()
        self.forward_layer.call_losses = RunLosses()
        config = layer.get_config()
        config["go_backwards"] = not config["go_backwards"]
        # A script's own classes of cells need not be registered.
        with custom_object_scope({type(member).__name__: type(member) for member in layer.members()}):
            self.backward_layer: Any = type(layer).from_config(config)
        self.forward_layer.name, self.backward_layer.name = f"forward_{layer.name}", f"backward_{layer.name}"
        self.merge_mode = merge_mode
        self.return_sequences, self.return_state = self.backward_layer.return_sequences, self.backward_layer.return_state
        self._trainable = True
        Layer.__init__(self, weights=weights, **kwargs)
        self.input_spec = layer.input_spec

    @property
    def layer(self) -> Any:  # type: ignore[override]
        """The forward layer."""
        return self.forward_layer

    @property
    def trainable(self) -> bool:
        """Starts True; setting it sets both layers'."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = self.forward_layer.trainable = self.backward_layer.trainable = value

    def takes_constants(self) -> bool:
        return bool(self.forward_layer.takes_constants())

    def check_states(self, shapes: Sequence[Shape]) -> None:
        if len(shapes) % 2:
            raise ValueError(
                "When passing `initial_state` to a Bidirectional RNN, the state should be a list containing the states of the "
                f"underlying RNNs. Found: {len(shapes)} of shapes {list(shapes)}"
            )
        half = len(shapes) // 2
        self.forward_layer.check_states(shapes[:half])
        self.backward_layer.check_states(shapes[half:])

    def build(self, input_shape: Any) -> None:  # type: ignore[override]  # needs it
        x, _, constants = self.split_shapes(input_shape)
        for layer in (self.forward_layer, self.backward_layer):
            layer._num_constants = self._num_constants
            with at_least_inside(self.name), inside(layer.name):
                layer.ensure_built([x, *constants] if constants else x, self.dtype)
        self.input_spec = self.forward_layer.input_spec
        self.built = True

    def call(
        self,
        inputs: Value,
        mask: Any = None,
        training: bool | None = None,
        initial_state: Sequence[Value] | None = None,
        constants: Sequence[Value] | None = None,
    ) -> Value:
        x, states, given = self.split_call(inputs, initial_state, constants)
        mask = mask[0] if isinstance(mask, list) else mask
        half = len(states) // 2
        found = []
        for layer, start in ((self.forward_layer, states[:half]), (self.backward_layer, states[half:])):
            more: dict[str, Any] = {"initial_state": start} if start else {}
            if given:
                more["constants"] = given
            y = call_inside(layer, x, mask=mask, training=training, **more)
            found.append(list(y) if self.return_state else [y])
        (y, *after), (reverse, *after_reverse) = found
        if self.return_sequences:
            reverse = flip(reverse, axes=1)
        merged = _MERGES[self.merge_mode](y, reverse)
        if not self.return_state:
            return merged
        return [*(merged if self.merge_mode is None else [merged]), *after, *after_reverse]

    def compute_output_shape(self, input_shape: Any) -> Any:
        found = self.forward_layer.compute_output_shape(input_shape)
        y, states = (found[0], found[1:]) if self.return_state else (found, [])
        if self.merge_mode == "concat":
            y = (*y[:-1], 2 * y[-1])
        outputs = [y, y] if self.merge_mode is None else [y]
        return [*outputs, *states, *states] if self.return_state or self.merge_mode is None else y

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        given = mask[0] if isinstance(mask, list) else mask
        made = given if self.return_sequences else None
        outputs = [made, made] if self.merge_mode is None else [made]
        if self.return_state:
            return [*outputs, *[None] * (2 * len(self.forward_layer.states))]
        return outputs if self.merge_mode is None else made

    def reset_states(self) -> None:
        """Of both layers. Raises AttributeError unless they are stateful."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    def get_weights(self) -> list[NDArray[Any]]:
        return Layer.get_weights(self)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        Layer.set_weights(self, weights)

    @property
    def constraints(self) -> Config:
        """Empty, as Keras keeps it for scripts of Keras 1."""
        return {}

    def get_config(self) -> Config:
        config = super().get_config()
        inside = serialize(self.forward_layer)
        inside["config"]["name"] = self._name_inside
        count = {} if self._num_constants is None else {"num_constants": self._num_constants}
        return config | {"layer": inside, "merge_mode": self.merge_mode} | count
