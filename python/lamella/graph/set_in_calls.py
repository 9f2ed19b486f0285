"""Tensors that the `call` of a script's layer stores in attributes of the layer, such as weights of attention.

Keras runs `call` once for a call in the graph, so that such an attribute is a tensor of the graph: K.function computes it, losses
read it. Here each run calls `call` on values. So the attribute becomes a symbolic tensor whose value is what the run stores;
NumPy gets that of the last run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.configurable import Config
from lamella.core.types import Value
from lamella.core.user_array import UserArray, from_user
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic
from lamella.graph.trial import Specs
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
        if self.attribute not in self.node.stored:
            raise RuntimeError(f"Layer {self.node.layer.name}: this run of call() did not set the attribute {self.attribute!r}")
        return from_user(self.node.stored[self.attribute])

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


def begin(layer: Any) -> dict[str, Any]:
    """Give attributes that calls set the values from before the first call in a graph. Returns the values they had."""
    attributes, had = vars(layer), dict[str, Any]()
    for name, value in layer.set_in_calls.items():
        had[name] = attributes.pop(name, Absent)
        if value is not Absent:
            attributes[name] = value
    return had


def end(layer: Any, had: dict[str, Any]) -> None:
    """Give the attributes their values back."""
    vars(layer).update({name: value for name, value in had.items() if value is not Absent})


def within(layer: Any, call: Callable[[], Value]) -> Value:
    """A call after which the attributes have their values from before it."""
    had = begin(layer)
    try:
        return call()
    finally:
        end(layer, had)


def storing(node: Node, call: Callable[..., Value], x: Value, **named: Any) -> Value:
    """The call of a node in a run, which notes what it sets."""

    def noted() -> Value:
        y = call(x, **named)
        found = vars(node.layer)
        node.stored = {
            name: found[name] for name in node.layer.set_in_calls if isinstance(found.get(name), (np.ndarray, Tensor))
        }
        return y

    return within(node.layer, noted)


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
    layer.set_in_calls = {name: before.get(name, Absent) for name in names} | layer.set_in_calls
    node.stored = {}
    for name, (shape, dtype) in zip(names, specs, strict=True):
        vars(layer)[name] = SetInCall(node, name, shape, dtype)(list(node.outputs))
