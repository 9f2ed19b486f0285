"""What layers of several inputs share. Source: Keras 2.2.5 keras/layers/merge.py."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from lamella.core.graphs import accepts_symbolic
from lamella.core.types import Value
from lamella.layers.arguments import KernelLayer


def check_list(name: str, input_shape: Any) -> None:
    """Raises ValueError, in Keras's own words, unless there are two inputs or more."""
    if not isinstance(input_shape, list):
        raise ValueError(f"Layer {name}: A merge layer should be called on a list of inputs.")
    if len(input_shape) < 2:
        raise ValueError(
            f"Layer {name}: A merge layer should be called on a list of at least 2 inputs. Got {len(input_shape)} inputs."
        )


def known_masks(inputs: Any, mask: Any) -> list[Any]:
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
    """Where all of these hold, bool; one step is broadcast to all, as the inputs are."""
    return functools.reduce(np.logical_and, masks)


class Merge(KernelLayer, self_contained=True):
    """Its mask holds where those of all inputs hold."""

    supports_masking = True
    takes_lists = True
    makes_masks = False

    def compute_mask(self, inputs: list[Value], mask: Any = None) -> Any:
        """Raises ValueError, in Keras's own words, unless inputs and masks are lists of one length."""
        known = known_masks(inputs, mask)
        return both(*known) if known else None
