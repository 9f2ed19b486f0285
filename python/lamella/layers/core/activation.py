"""Activation. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

from lamella.core.configurable import Spec
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.layers.arguments import KernelLayer


@register("layers")
class Activation(KernelLayer, self_contained=True):
    """An activation function as a layer; shape unchanged."""

    supports_masking = True

    def __init__(self, activation: Spec, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs: Value) -> Value:
        return self.activation(inputs)
