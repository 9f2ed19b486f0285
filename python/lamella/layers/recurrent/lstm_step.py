"""One step of an LSTM from the sums of its gates, for cells of vectors and of maps."""

from __future__ import annotations

import functools
from typing import Any

from lamella import ops
from lamella.core.types import Value
from lamella.layers.arguments import activated
from lamella.layers.recurrent.in_one_op import fused_activations


def lstm_step(cell: Any, of_x: Value, of_h: Value, c: Value, units: int) -> tuple[Value, Value]:
    """(h', c') from the gates' sums of_x + of_h [..., 4 units] and c [..., units].

    By one op where it computes the cell's activations, else by an op for each part of the formula.
    """
    names = fused_activations(cell)
    sums = (*c.shape[:-1], 4 * units)
    if names is not None and of_x.dtype == of_h.dtype == c.dtype and of_x.shape == of_h.shape == sums:
        h, c = ops.lstm_step(of_x, of_h, c, **names)
        return h, c
    z: Value = ops.add(of_x, of_h)
    i, f, g, o = (z[..., gate * units : (gate + 1) * units] for gate in range(4))
    act, rec = (functools.partial(activated, function) for function in (cell.activation, cell.recurrent_activation))
    c = ops.add(ops.multiply(rec(f), c), ops.multiply(rec(i), act(g)))
    return ops.multiply(rec(o), act(c)), c
