"""Add, Subtract, Multiply, Average, Maximum, Minimum. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.registry import register
from lamella.core.shapes import Dim, Shape
from lamella.core.types import Value
from lamella.layers.merge.merge import Merge, check_list


class Elementwise(Merge):
    """Tensors whose shapes broadcast, combined element by element; the batch comes first in all, missing axes are put in after it.

    As in Keras, it is also the base of Concatenate and Dot, which inherit `build` and replace the rest.

    Raises:
        ValueError: In Keras's own words, for a single input, batches of several sizes or shapes that do not broadcast.
    """

    def _merge_function(self, inputs: list[Value]) -> Value:
        """The result for inputs of one rank; what subclasses of keras.layers.merge._Merge define."""
        raise NotImplementedError

    def build(self, input_shape: list[Shape]) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: list[Value]) -> Value:
        shapes = [x.shape for x in inputs]
        if any(shape != shapes[0] for shape in shapes):
            rank = len(self.compute_output_shape(shapes))  # sizes that were not known before are checked now
            inputs = [_stretched(x, rank) for x in inputs]
        return self._merge_function(inputs)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        check_list(self.name, input_shape)
        batches = {shape[0] for shape in input_shape} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"Layer {self.name}: Can not merge tensors with different batch sizes. Got tensors with shapes : {input_shape}"
            )
        result: Shape = input_shape[0][1:]
        for shape in input_shape[1:]:
            result = _broadcast(result, shape[1:], self.name)
        return (batches.pop() if batches else None, *result)


def _stretched(x: Value, rank: int) -> Value:
    missing = rank - len(x.shape)
    return ops.reshape(x, shape=(x.shape[0], *[1] * missing, *x.shape[1:])) if missing else x


def _broadcast(a: Shape, b: Shape, name: str) -> Shape:
    rank = max(len(a), len(b))
    sizes: list[Dim] = []
    for i, j in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b):
        if i == 1 or j == 1:
            sizes.append(j if i == 1 else i)
        elif i is None or j is None or i == j:
            sizes.append(j if i is None else i)
        else:
            raise ValueError(f"Layer {name}: Operands could not be broadcast together with shapes {a} {b}")
    return tuple(sizes)


@register("layers")
class Add(Elementwise, self_contained=True):
    """The sum of all inputs."""

    def _merge_function(self, inputs: list[Value]) -> Value:
        return ops.add(*inputs)


@register("layers")
class Subtract(Elementwise, self_contained=True):
    """The first input minus the second.

    Raises:
        ValueError: Unless there are two inputs.
    """

    def _merge_function(self, inputs: list[Value]) -> Value:
        return ops.subtract(*inputs)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        shape = super().compute_output_shape(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"Layer {self.name}: A `Subtract` layer should be called on exactly 2 inputs")
        return shape


@register("layers")
class Multiply(Elementwise, self_contained=True):
    """The product of all inputs."""

    def _merge_function(self, inputs: list[Value]) -> Value:
        return functools.reduce(ops.multiply, inputs)


@register("layers")
class Average(Elementwise, self_contained=True):
    """The mean of all inputs."""

    def _merge_function(self, inputs: list[Value]) -> Value:
        total = ops.add(*inputs)
        return ops.divide(total, np.asarray(len(inputs), total.dtype))


@register("layers")
class Maximum(Elementwise, self_contained=True):
    """The largest of all inputs. Among equal ones the gradient goes to the first."""

    def _merge_function(self, inputs: list[Value]) -> Value:
        return functools.reduce(ops.maximum, inputs)


@register("layers")
class Minimum(Elementwise, self_contained=True):
    """The smallest of all inputs. Among equal ones the gradient goes to the first."""

    def _merge_function(self, inputs: list[Value]) -> Value:
        return functools.reduce(ops.minimum, inputs)


def add(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Add` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Add(**kwargs)(list(inputs))


def subtract(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Subtract` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Subtract(**kwargs)(list(inputs))


def multiply(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Multiply` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Multiply(**kwargs)(list(inputs))


def average(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Average` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Average(**kwargs)(list(inputs))


def maximum(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Maximum` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Maximum(**kwargs)(list(inputs))


def minimum(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """`Minimum` as a function.

    Args:
        inputs: A list of tensors of shapes that broadcast.
        **kwargs: The arguments of Layer.
    """
    return Minimum(**kwargs)(list(inputs))
