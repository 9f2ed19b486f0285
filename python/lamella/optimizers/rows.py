"""Steps on those rows of a parameter that a batch used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.rows_gradient import RowsGradient
from lamella.core.types import Array


def calls(
    kernel: Callable[..., None],
    params: Sequence[Array],
    grads: Sequence[Array],
    slots: Sequence[list[Array]],
    rest: tuple[object, ...],
) -> list[Call]:
    """The calls of kernel(params, grads, *slots, *rest), for a rule that skips zeros.

    For a gradient in rows, the kernel gets copies of these rows of the parameter and its slots, which are then written back.

    Args:
        kernel: The kernel.
        params: The parameters.
        grads: Their gradients, arrays or RowsGradient.
        slots: The optimizer's slots.
        rest: The other arguments of the kernel.
    """
    if RowsGradient not in map(type, grads):
        return [(kernel, (params, grads, *slots, *rest))]
    whole = [list(params), *map(list, slots)]
    read = list(grads)
    put: list[Call] = []
    for i, g in enumerate(grads):
        if isinstance(g, RowsGradient):
            rows, read[i] = g.touched()
            tables = [arrays[i].reshape(len(arrays[i]), -1) for arrays in whole]
            copies = [_kernels.empty_like(table, (len(rows), table.shape[1])) for table in tables]
            put.append((_kernels.put_rows, (copies, rows, tables)))
            for arrays, table, copy in zip(whole, tables, copies):
                _kernels.take_forward(table, rows, copy)
                arrays[i] = copy.reshape(read[i].shape)
    return [(kernel, (whole[0], read, *whole[1:], *rest)), *put]
