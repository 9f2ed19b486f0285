"""Activation. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamella import activations
from lamella.core.configurable import Spec
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.layers.arguments import KernelLayer
from lamella.layers.pooling.windows import Maximum, is_max_pooling


@register("layers")
class Activation(KernelLayer, self_contained=True):
    """An activation function as a layer; shape unchanged."""

    supports_masking = True

    def __init__(self, activation: Spec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs: Value) -> Value:
        return self.activation(inputs)

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        if type(self) is Activation and is_max_pooling(follower):
            return functools.partial(self._call_before, follower)
        return None

    def _call_before(self, follower: Maximum, inputs: Value) -> Value:
        # Asked at each call, as attributes of layers may change.
        relu = self.activation is activations.relu
        return follower.call_of_relu(inputs) if relu else follower.call(self.call(inputs))
