"""Dot. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella import ops
from lamella.core.registry import register
from lamella.core.shapes import Shape, normalize_axis
from lamella.core.types import Value
from lamella.layers.merge.elementwise import Elementwise


@register("layers")
class Dot(Elementwise, self_contained=True):
    """For each sample the sum of products over one axis of the first input and one of the second.

    Shapes:
        x [N, ...], y [N, ...] -> [N, x's other axes, y's other axes], or [N, 1] where none is left.

    Args:
        axes: The axis, or a pair of them, one for each input. A negative one is counted from the input's own end; 0, the
            batch, is not allowed.
        normalize: Divide both by their length along their axis first: a cosine.

    Raises:
        TypeError, ValueError: In Keras's own words. Keras 2.2.5 finds axes that are out of range, or 0, only in the backend.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(f"Layer {self.name}: Invalid type for `axes` - should be a list or an int. Got {axes!r}")
            if len(axes) != 2:
                raise ValueError(f"Layer {self.name}: Invalid format for `axes` - should contain two elements. Got {axes!r}")
            if not all(isinstance(axis, int) for axis in axes):
                raise ValueError(f'Layer {self.name}: Invalid format for `axes` - list elements should be "int". Got {axes!r}')
        self.axes = axes
        self.normalize = normalize

    def call(self, inputs: list[Value]) -> Value:
        return self._merge_function(inputs)

    def _merge_function(self, inputs: list[Value]) -> Value:
        x, y = inputs
        axes = self._axes([x.shape, y.shape])
        if self.normalize:
            x, y = ops.l2_normalize(x, axis=axes[0]), ops.l2_normalize(y, axis=axes[1])
        return ops.batch_dot(x, y, axes=axes)

    def _axes(self, shapes: list[Shape]) -> tuple[int, int]:
        """The axis of each input, from its front."""
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        first, second = (
            normalize_axis(axis, len(shape), f"Layer {self.name}, `axes` {self.axes}, input {shape}")
            for axis, shape in zip(given, shapes)
        )
        if 0 in (first, second):
            raise ValueError(f"Layer {self.name}: expected `axes` without 0, the batch, got {self.axes} for {shapes}")
        x, y = shapes
        if x[first] != y[second] and None not in (x[first], y[second]):
            raise ValueError(f"Layer {self.name}: Dimension incompatibility {x[first]} != {y[second]}. Layer shapes: {x}, {y}")
        if x[0] != y[0] and None not in (x[0], y[0]):
            raise ValueError(f"Layer {self.name}: Can not merge tensors with different batch sizes. Layer shapes: {x}, {y}")
        return first, second

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        if not isinstance(input_shape, list) or len(input_shape) != 2:
            raise ValueError(f"Layer {self.name}: A `Dot` layer should be called on a list of 2 inputs.")
        (x, y), (a, b) = input_shape, self._axes(input_shape)
        rest = (*x[1:a], *x[a + 1 :], *y[1:b], *y[b + 1 :])
        return (x[0] if y[0] is None else y[0], *(rest or (1,)))

    def compute_mask(self, inputs: list[Value], mask: Any = None) -> None:
        return None


def dot(inputs: Sequence[Value], axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> Value:
    """`Dot` as a function.

    Args:
        inputs: Two tensors.
        axes: The axis, or an axis for each tensor.
        normalize: Whether vectors are normalized first.
        **kwargs: The arguments of Layer.
    """
    return Dot(axes=axes, normalize=normalize, **kwargs)(list(inputs))
