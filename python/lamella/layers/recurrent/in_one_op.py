"""A cell over all of time as one op, where there is a kernel that computes what its `call` does in each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella import activations
from lamella.core.types import Array, Value
from lamella.layers.recurrent.cell import Cell
from lamella.ops import dropout
from lamella.ops.tape import value_of

# The functions that the kernels compute within a step.
FUSED = ("linear", "relu", "tanh", "sigmoid", "hard_sigmoid")


def in_one_op(
    cell: Any, x: Value, states: Sequence[Value], *, mask: Value | None, training: bool | None, **options: bool
) -> tuple[Value, list[Value]] | None:
    """(outputs, last states), as the plain loop gives them; None where only that can.

    The class of the cell names the op, `all_steps`; a subclass does not inherit this, as it may compute something else.

    Args:
        options: go_backwards, return_sequences.
    """
    op: Callable[..., Any] | None = vars(type(cell)).get("all_steps")
    if op is None or x.dtype != cell.kernel.dtype or not x.shape[1]:
        return None
    functions = fused_activations(cell)
    if functions is None:
        return None
    named: dict[str, Any] = {**options, **functions}
    if hasattr(cell, "reset_after"):
        named["reset_after"] = cell.reset_after
    computed = None if mask is None else value_of(mask)
    if computed is not None:
        computed = computed[..., 0] if computed.ndim == 3 and computed.shape[-1] == 1 else computed
        if computed.shape != tuple(x.shape[:2]):
            return None
    y, *last = op(
        x,
        cell.kernel,
        cell.recurrent_kernel,
        cell.bias,
        *states,
        mask=computed,
        input_dropout=_masks(cell, "dropout", (x.shape[0], x.shape[2]), x.dtype, training),
        recurrent_dropout=_masks(cell, "recurrent_dropout", (x.shape[0], cell.units), x.dtype, training),
        **named,
    )
    return y, last


def fused_activations(cell: Any) -> dict[str, str] | None:
    """The names of the cell's activations, as arguments of an op; None if the kernels do not compute one of them."""
    named = {}
    for argument in ("activation", "recurrent_activation"):
        if hasattr(cell, argument):
            own = getattr(cell, argument)
            function = next((name for name in FUSED if getattr(activations, name) is own), None)
            if function is None:
                return None
            named[argument] = function
    return named


def _masks(cell: Cell, what: str, shape: tuple[int, int], dtype: np.dtype, training: bool | None) -> Array | None:
    """The masks of a dropout, [1 or gates, *shape]; None for none."""
    keys = cell.dropout_keys(what, training)
    if not keys:
        return None
    ones = np.ones(shape, dtype)
    return np.stack([dropout(ones, rate=getattr(cell, what), key=key) for key in keys])
