"""Masking. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella import ops
from lamella.core.graphs import accepts_symbolic
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.layers.arguments import KernelLayer
from lamella.ops.tape import value_of


@accepts_symbolic("masks")
def steps_with_values(inputs: Value, mask_value: float) -> Any:
    """[..., F] to bool [...]: whether any of F is another value than mask_value."""
    return np.any(value_of(inputs) != mask_value, axis=-1)


@register("layers")
class Masking(KernelLayer, self_contained=True):
    """Masks the time steps in which all values are mask_value: x [N, T, ...], mask [N, T]. It also sets their values to 0.

    Later layers with masks skip these steps; the loss and the metrics do not count them.

    Args:
        mask_value: The value that marks a masked step.
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs: Value, mask: Any = None) -> Any:
        return steps_with_values(inputs, self.mask_value)

    def call(self, inputs: Value) -> Value:
        # Not compute_mask, which a subclass may replace by a mask of fewer axes.
        kept = steps_with_values(inputs, self.mask_value)[..., None]
        return ops.multiply(inputs, kept.astype(inputs.dtype))
