"""Concatenate. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.graphs import accepts_symbolic
from lamella.core.registry import register
from lamella.core.shapes import Shape, normalize_axis
from lamella.core.types import Value
from lamella.layers.merge.elementwise import Elementwise
from lamella.layers.merge.merge import known_masks


@accepts_symbolic("masks")
def joined_mask(axis: int, rank: int, *unmasked_and_masks: Value | None) -> Any:
    """The mask of inputs of this rank that are joined along `axis`.

    Args:
        axis: The axis.
        rank: Number of axes of the inputs.
        *unmasked_and_masks: First each input, or None if it has a mask: of an input with a mask only the mask is read. Then the
            mask of each input, or None.
    """
    half = len(unmasked_and_masks) // 2
    parts = []
    for x, m in zip(unmasked_and_masks[:half], unmasked_and_masks[half:]):
        if m is None:
            assert x is not None
            parts.append(np.ones((*x.shape[:-1], 1), bool))
        else:
            mask = np.asarray(m) != 0
            parts.append(mask[..., None] if mask.ndim < rank else mask.all(axis=-1, keepdims=True))
    return np.all(np.concatenate(parts, axis=axis), axis=-1)


@register("layers")
class Concatenate(Elementwise, self_contained=True):
    """Joins tensors along one axis. All other sizes are equal.

    Args:
        axis: The axis.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: list[Value]) -> Value:
        try:
            return self._merge_function(inputs)
        except ValueError:
            self.compute_output_shape([x.shape for x in inputs])  # of sizes that were not known before, in Keras's words
            raise

    def _merge_function(self, inputs: list[Value]) -> Value:
        return ops.concatenate(*inputs, axis=self.axis)

    def compute_mask(self, inputs: list[Value], mask: Any = None) -> Any:
        """Joined as the inputs are; an input without a mask counts as unmasked. Source: Keras 2.2.5."""
        if not known_masks(inputs, mask):
            return None
        unmasked = [x if m is None else None for x, m in zip(inputs, mask)]
        return joined_mask(self.axis, len(inputs[0].shape), *unmasked, *mask)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ValueError(f"Layer {self.name}: A `Concatenate` layer should be called on a list of at least 2 inputs")
        normalize_axis(self.axis, len(input_shape[0]), f"Concatenate '{self.name}'")
        result = list(input_shape[0])
        others = [[d for i, d in enumerate(s) if i != self.axis % len(s)] for s in input_shape]
        for other in others[1:]:
            fits = len(other) == len(others[0]) and all(i == j or None in (i, j) for i, j in zip(other, others[0]))
            if not fits:
                raise ValueError(
                    f"Layer {self.name}: A `Concatenate` layer requires inputs with matching shapes except for the concat axis. "
                    f"Got inputs shapes: {input_shape}"
                )
        sizes = [shape[self.axis] for shape in input_shape]
        result[self.axis] = None if None in sizes else sum(s for s in sizes if s is not None)
        return tuple(result)


def concatenate(inputs: Sequence[Value], axis: int = -1, **kwargs: Any) -> Value:
    """`Concatenate` as a function.

    Args:
        inputs: A list of tensors, whose sizes are equal except on the axis.
        axis: The axis.
        **kwargs: The arguments of Layer.
    """
    return Concatenate(axis=axis, **kwargs)(list(inputs))
