"""ActivityRegularization. Source: Keras 2.2.5 keras/layers/core.py."""

from __future__ import annotations

from typing import Any

from lamella.core.registry import register
from lamella.layers.arguments import KernelLayer
from lamella.regularizers import L1L2


@register("layers")
class ActivityRegularization(KernelLayer, self_contained=True):
    """The identity. It adds l1 * sum|x| + l2 * sum x^2 over the whole batch to the loss, not divided by the batch size.

    Args:
        l1: Factor of the sum of absolute values.
        l2: Factor of the sum of squares.
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.l1 = l1
        self.l2 = l2
        self.activity_regularizer = L1L2(l1, l2)
