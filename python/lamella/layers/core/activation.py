"""Activation. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import activations
from lamella.core.configurable import Spec
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic
from lamella.layers.arguments import KernelLayer, activated, operation_of
from lamella.layers.pooling.windows import call_before_pooling


@register("layers")
class Activation(KernelLayer, self_contained=True):
    """An activation function as a layer; shape unchanged."""

    supports_masking = True

    def __init__(self, activation: Spec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs: Value) -> Value:
        return activated(self.activation, inputs)

    def activation_op(self, node: Node) -> tuple[str, Symbolic] | None:
        kind = operation_of(self.activation)
        return None if kind is None else (kind, node.inputs[0])

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        return call_before_pooling(self, follower, self._is_relu) if type(self) is Activation else None

    def _is_relu(self) -> bool:
        return self.activation is activations.relu
