"""RepeatVector. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

from lamella import ops
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer


@register("layers")
class RepeatVector(KernelLayer, self_contained=True):
    """[N, F] -> [N, n, F]: repeats the vector of each sample n times.

    Args:
        n: Number of repetitions.
    """

    input_spec = InputSpec(ndim=2)

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n

    def call(self, inputs: Value) -> Value:
        rows, features = inputs.shape
        return ops.repeat(ops.reshape(inputs, shape=(rows, 1, features)), count=self.n, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.n, input_shape[1])
