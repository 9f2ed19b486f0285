"""Tensors that the `call` of a script's layer stores in attributes of the layer, such as weights of attention.

Keras runs `call` once for a call in the graph, so that such an attribute is a tensor of the graph: K.function computes it, losses
read it. Here each run calls `call` on values. So the attribute becomes a symbolic tensor whose value is what the run stores;
NumPy gets that of the last run. This holds for attributes of a layer that a graph calls, not for those of layers inside it, nor for
tensors in lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.configurable import Config
from lamella.core.types import Value
from lamella.core.updates import current as pending
from lamella.core.user_array import UserArray, from_user
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.trial import Specs
from lamella.graph.weights_in_calls import writing_lock
from lamella.ops.tape import Tensor, value_of


class Absent:
    """Stands for the value of an attribute that does not exist."""


class SetInCall(Layer, self_contained=True):
    """What a call stores in an attribute before this layer runs. Its inputs, the outputs of the call, only determine when that is.

    Args:
        node: The node of the call.
        attribute: The name of the attribute.
        shape: Its shape.
        dtype: Its dtype.
    """

    supports_masking = True
    makes_masks = False

    def __init__(self, node: Node, attribute: str, shape: Sequence[int | None], dtype: str) -> None:
        super().__init__()
        self.node, self.attribute, self._spec = node, attribute, (tuple(shape), dtype)

    def call(self, inputs: Value) -> Value:
        stored = self.node.stored
        if pending.updates is not None:  # threads may run a model at the same time
            stored = pending.updates.stored.get(self.node, stored)
        if self.attribute not in stored:
            raise RuntimeError(f"Layer {self.node.layer.name}: this run of call() did not set the attribute {self.attribute!r}")
        return from_user(stored[self.attribute])

    def last_value(self) -> Value | None:
        """The value in the last run of the call; None before it."""
        return from_user(value_of(self.node.stored.get(self.attribute)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._spec[0]

    def _output_dtype(self, tensors: list[Symbolic]) -> str:
        return self._spec[1]

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    def get_config(self) -> Config:
        raise NotImplementedError(f"Layer {self.name}: an attribute that a call sets cannot be saved with a graph")


def begin(layer: Any, node: Node | None = None) -> dict[str, Any]:
    """Give attributes that calls set the values from before a call: those from before the first call in a graph, or what earlier
    calls have set in this run.

    Args:
        layer: The layer.
        node: The call; None for the next one.

    Returns:
        What `end` gives the attributes: their tensors, if a run that Ctrl-C has ended has changed them.
    """
    attributes, had, found = vars(layer), dict[str, Any](), dict[str, Any]()
    for name, (value, tensor) in layer.set_in_calls.items():
        old = attributes.pop(name, tensor)
        had[name] = tensor if isinstance(old, (UserArray, Tensor)) else old
        found[name] = value
    stored = {} if pending.updates is None else pending.updates.stored
    for earlier in layer._inbound_nodes if stored else ():
        if earlier is node:
            break
        found |= stored.get(earlier, {})
    attributes.update({name: value for name, value in found.items() if value is not Absent})
    return had


def end(layer: Any, had: dict[str, Any]) -> None:
    """Give the attributes their values back."""
    vars(layer).update(had)


def within(layer: Any, node: Node, call: Callable[[], Value]) -> Value:
    """A call after which the attributes have their values from before it."""
    with writing_lock.current:
        had = begin(layer, node)
        try:
            return call()
        finally:
            end(layer, had)


def storing(node: Node, call: Callable[..., Value], x: Value, **named: Any) -> Value:
    """The call of a node in a run, which notes what it sets."""

    def noted() -> Value:
        y = call(x, **named)
        found = vars(node.layer)
        values = {name: found[name] for name in node.layer.set_in_calls if isinstance(found.get(name), (np.ndarray, Tensor))}
        node.stored = values
        if pending.updates is not None:
            pending.updates.stored[node] = values
        return y

    return within(node.layer, node, noted)


def changed(layer: Any, before: dict[str, Any]) -> list[str]:
    """The attributes that trials of `call` have set to computed values; `before` has those from before the trials."""
    now = vars(layer).items()
    return [name for name, value in now if isinstance(value, (UserArray, Tensor)) and before.get(name) is not value]


def make_symbolic(node: Node, names: Sequence[str], specs: Specs, before: dict[str, Any]) -> None:
    """Let attributes of the node's layer be symbolic tensors.

    Args:
        node: The call that sets them.
        names: The attributes.
        specs: Their shapes and dtypes.
        before: The attributes of the layer from before the call.
    """
    layer: Any = node.layer
    node.stored = {}
    for name, (shape, dtype) in zip(names, specs, strict=True):
        tensor = SetInCall(node, name, shape, dtype)(list(node.outputs))
        value = layer.set_in_calls[name][0] if name in layer.set_in_calls else before.get(name, Absent)
        layer.set_in_calls = {**layer.set_in_calls, name: (value, tensor)}
        vars(layer)[name] = tensor
