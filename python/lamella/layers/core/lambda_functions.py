"""Functions of Lambdas that models of lamella's own hold, listed so that a file may name them."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import ops
from lamella.core import registry
from lamella.core.types import Value


def add_scaled(inputs: Sequence[Value], scale: float) -> Value:
    """inputs[0] + scale * inputs[1], of one shape. Source: InceptionResNetV2 of keras_applications 1.0.8."""
    x, y = inputs
    return ops.add(x, y if scale == 1.0 else ops.multiply(y, scale))


registry.enter("functions", "add_scaled", add_scaled)
