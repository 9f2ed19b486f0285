"""How the weights of several gates, side by side, start. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.types import Array
from lamella.initializers import Identity

Filler = Callable[..., Any]  # of a shape and dtype=, an array


def for_each_gate(initializer: Filler) -> Filler:
    """`initializer` for a recurrent kernel [units, gates * units]: Identity fills each gate's square, others the whole.

    Deviation from Keras 2.2.5: Identity keeps its gain.
    """
    if not isinstance(initializer, Identity):
        return initializer

    def fill(shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.tile(initializer((shape[0], shape[0]), dtype=dtype), (1, shape[1] // shape[0]))

    return fill


def with_open_forget_gate(initializer: Filler) -> Filler:
    """`initializer` for the biases of the gates i, f, c, o, but ones for f, so that the state is kept at first.

    Source: Jozefowicz et al., ICML 2015.
    """

    def fill(shape: Sequence[int], dtype: str | None = None) -> Array:
        *before, columns = shape
        units = columns // 4
        parts = [
            initializer((*before, units), dtype=dtype),
            np.ones((*before, units)),
            initializer((*before, 2 * units), dtype=dtype),
        ]
        return np.concatenate([np.asarray(part, dtype) for part in parts], axis=-1)

    return fill
