"""Layers of several inputs: Add, Concatenate. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import ops
from lamella.core.graphs import accepts_symbolic
from lamella.core.keras_names import complete as _complete
from lamella.core.registry import register
from lamella.core.shapes import Dim, Shape, normalize_axis
from lamella.core.types import Value
from lamella.layers.arguments import KernelLayer


def _demand_list(name: str, input_shape: Any) -> None:
    if not isinstance(input_shape, list) or len(input_shape) < 2:
        raise ValueError(f"A merge layer should be called on a list of at least 2 inputs. Layer {name} got {input_shape}")


def _known(inputs: Any, mask: Any) -> list[Any]:
    """The masks that there are."""
    if mask is None:
        return []
    if not isinstance(mask, list):
        raise ValueError("`mask` should be a list.")
    if not isinstance(inputs, list):
        raise ValueError("`inputs` should be a list.")
    if len(mask) != len(inputs):
        raise ValueError("The lists `inputs` and `mask` should have the same length.")
    return [m for m in mask if m is not None]


@accepts_symbolic("masks")
def both(*masks: Value) -> Any:
    """Where all of these hold, bool."""
    return np.logical_and.reduce(masks)


@accepts_symbolic("masks")
def joined(axis: int, *inputs_and_masks: Value | None) -> Any:
    """The masks of inputs that are joined along `axis`: first the inputs, then as many masks; None is unmasked."""
    half = len(inputs_and_masks) // 2
    parts = []
    for x, m in zip(inputs_and_masks[:half], inputs_and_masks[half:]):
        assert x is not None
        part = np.ones(x.shape[:-1], bool) if m is None else m
        parts.append(np.broadcast_to(part[..., None] if part.ndim < x.ndim else part, x.shape))
    return np.all(np.concatenate(parts, axis=axis), axis=-1)


class _Merge(KernelLayer, self_contained=True):
    """Its mask holds where those of all inputs hold."""

    supports_masking = True
    makes_masks = False

    def compute_mask(self, inputs: list[Value], mask: Any = None) -> Any:
        """Raises ValueError, in Keras's own words, unless inputs and masks are lists of one length."""
        known = _known(inputs, mask)
        return both(*known) if known else None


@register("layers")
class Add(_Merge, self_contained=True):
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
        _demand_list(self.name, input_shape)
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


@register("layers")
class Concatenate(_Merge, self_contained=True):
    """Tensors joined along `axis`; all other dimensions equal."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: list[Shape]) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: list[Value]) -> Value:
        return ops.concatenate(*inputs, axis=self.axis)

    def compute_mask(self, inputs: list[Value], mask: Any = None) -> Any:
        """Joined as the inputs are; an input without a mask counts as unmasked. Source: Keras 2.2.5."""
        return joined(self.axis, *inputs, *mask) if _known(inputs, mask) else None

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        if not isinstance(input_shape, list) or len(input_shape) < 2:
            raise ValueError("A `Concatenate` layer should be called on a list of at least 2 inputs")
        normalize_axis(self.axis, len(input_shape[0]), f"Concatenate '{self.name}'")
        result = list(input_shape[0])
        others = [[d for i, d in enumerate(s) if i != self.axis % len(s)] for s in input_shape]
        for other in others[1:]:
            fits = len(other) == len(others[0]) and all(i == j or None in (i, j) for i, j in zip(other, others[0]))
            if not fits:
                raise ValueError(
                    "A `Concatenate` layer requires inputs with matching shapes except for the concat axis. "
                    f"Got inputs shapes: {input_shape}"
                )
        sizes = [shape[self.axis] for shape in input_shape]
        result[self.axis] = None if None in sizes else sum(s for s in sizes if s is not None)
        return tuple(result)


def add(inputs: Sequence[Value], **kwargs: Any) -> Value:
    """Functional interface of `Add`."""
    return Add(**kwargs)(list(inputs))


def concatenate(inputs: Sequence[Value], axis: int = -1, **kwargs: Any) -> Value:
    """Functional interface of `Concatenate`."""
    return Concatenate(axis=axis, **kwargs)(list(inputs))


_complete(__name__)
