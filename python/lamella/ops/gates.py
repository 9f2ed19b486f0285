"""Ops on the weights of a recurrent cell's gates, which are consecutive blocks of columns of one matrix."""

from __future__ import annotations

from lamella import _kernels
from lamella.core.cudnn_layout import cudnn_from_plain, plain_from_cudnn
from lamella.core.types import Array
from lamella.ops.arrays import absent, contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def gated_dense(kernel: Array, bias: Array | None, *xs: Array, units: int, first: int = 0) -> tuple[Array, Backward]:
    """The affine maps of gates with different inputs: each gate may have its own dropout mask.

    For each g it computes xs[g] kernel[:, c] + bias[c], where c are the `units` columns of gate first + g. The results are
    concatenated along the last axis.

    Args:
        kernel: float [K, gates * units].
        bias: [gates * units] or None.
        xs: [N, K] each.
        units: Number of columns of a gate.
        first: Number of the first gate.

    Returns:
        [N, len(xs) * units].

    Raises:
        TypeError: The dtypes differ.
        ValueError: An array of xs has another K than kernel.
    """
    rows = [contiguous(x) for x in xs]
    columns = [slice((first + g) * units, (first + g + 1) * units) for g in range(len(xs))]
    parts = [contiguous(kernel[:, own]) for own in columns]
    none = absent(kernel.dtype)
    y = empty_like(kernel, (len(rows[0]), len(xs) * units))
    part = empty_like(kernel, (len(rows[0]), units))
    for g, (x, weight, own) in enumerate(zip(rows, parts, columns)):
        _kernels.dense_forward(x, weight, none if bias is None else contiguous(bias[own]), False, part)
        y[:, g * units : (g + 1) * units] = part

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dkernel = _zeros_unless_all(kernel, len(xs) * units) if need[0] else None
        dbias = None if bias is None or not need[1] else _zeros_unless_all(bias, len(xs) * units)
        dxs: list[Array | None] = []
        for g, (x, weight, own) in enumerate(zip(rows, parts, columns)):
            dx = empty_like(x) if need[2 + g] else none
            dweight = empty_like(weight) if dkernel is not None else none
            doffset = empty_like(kernel, (units,)) if dbias is not None else none
            slope = contiguous(dy[:, g * units : (g + 1) * units])
            _kernels.dense_backward(x, weight, none, slope, none, dx, dweight, doffset)
            if dkernel is not None:
                dkernel[:, own] = dweight
            if dbias is not None:
                dbias[own] = doffset
            dxs.append(dx if need[2 + g] else None)
        return dkernel, dbias, *dxs

    return y, backward


def _zeros_unless_all(weight: Array, columns: int) -> Array:
    """A new array for the gradient of `weight`. It is zero if only some of the gates get a gradient."""
    gradient = empty_like(weight)
    if weight.shape[-1] != columns:
        gradient[...] = 0
    return gradient


@differentiable
def gates_of_cudnn(kernel: Array, *, units: int) -> tuple[Array, Backward]:
    """A kernel [F, gates * units], converted from cuDNN's order to the plain one; see core/cudnn_layout.py."""
    return plain_from_cudnn(kernel, units), lambda dy, need: (cudnn_from_plain(dy, units),)
