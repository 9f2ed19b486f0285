"""Add. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.core.registry import register
from lamella.core.shapes import Dim, Shape
from lamella.core.types import Value
from lamella.layers.merge.merge import Merge, check_list


@register("layers")
class Add(Merge, self_contained=True):
    """Sum of tensors whose shapes broadcast; the batch comes first in all, missing axes are put in after it."""

    def build(self, input_shape: list[Shape]) -> None:
        self._rank = len(self.compute_output_shape(input_shape))
        self._same_rank = all(len(shape) == self._rank for shape in input_shape)
        self.built = True

    def call(self, inputs: list[Value]) -> Value:
        if not self._same_rank:
            inputs = [self._stretched(x) for x in inputs]
        return ops.add(*inputs)

    def _stretched(self, x: Value) -> Value:
        missing = self._rank - len(x.shape)
        return ops.reshape(x, shape=(x.shape[0], *[1] * missing, *x.shape[1:])) if missing else x

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        check_list(self.name, input_shape)
        batches = {shape[0] for shape in input_shape} - {None}
        if len(batches) > 1:
            raise ValueError(f"Can not merge tensors with different batch sizes. Got tensors with shapes : {input_shape}")
        result: Shape = input_shape[0][1:]
        for shape in input_shape[1:]:
            result = _broadcast(result, shape[1:])
        return (batches.pop() if batches else None, *result)


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    sizes: list[Dim] = []
    for i, j in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b):
        if i == 1 or j == 1:
            sizes.append(j if i == 1 else i)
        elif i is None or j is None or i == j:
            sizes.append(j if i is None else i)
        else:
            raise ValueError(f"Operands could not be broadcast together with shapes {a} {b}")
    return tuple(sizes)


def add(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """Functional interface of `Add`."""
    return Add(**kwargs)(list(inputs))
