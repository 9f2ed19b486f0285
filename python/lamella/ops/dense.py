"""Dense layer: an affine map of the last axis."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from lamella import _kernels
from lamella.ops.arrays import contiguous
from lamella.ops.tape import Array, Backward, Gradients, differentiable

# What a multiply kernel can do to its result before it leaves the registers.
FusedActivation: TypeAlias = Literal["linear", "relu"]


@differentiable
def dense(x: Array, kernel: Array, bias: Array | None, *, activation: FusedActivation = "linear") -> tuple[Array, Backward]:
    """y = activation(x kernel + bias).

    Args:  x: float [..., K].  kernel: [K, N].  bias: [N] or None.
    Returns:  [..., N].
    Raises:  TypeError if dtypes differ, ValueError if K does.
    """
    inputs, units = kernel.shape
    shape = x.shape
    if not shape or shape[-1] != inputs:
        raise ValueError(f"dense: expected last axis {inputs}, got shape {shape}")
    flat = len(shape) == 2
    rows = contiguous(x if flat else x.reshape(-1, inputs))
    relu = activation == "relu"
    y = np.empty((len(rows), units), x.dtype)
    _kernels.dense_forward(rows, kernel, no_bias(kernel) if bias is None else bias, relu, y)
    # Only relu's gradient reads the output.
    output = y if relu else None

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy if flat else dy.reshape(-1, units))
        if output is not None:
            dy = relu_gradient(output, dy)
        dx = dkernel = dbias = None
        if need[1] or need[2]:
            dkernel = np.empty(kernel.shape, kernel.dtype)
            dbias = np.empty(units, dy.dtype) if bias is not None else no_bias(kernel)
            _kernels.dense_backward_weights(rows, dy, dkernel, dbias)
        if need[0]:
            dx = np.empty(rows.shape, rows.dtype)
            _kernels.dense_backward_input(dy, kernel, dx)
            dx = dx if flat else dx.reshape(shape)
        return dx, dkernel, dbias

    return y if flat else y.reshape(*shape[:-1], units), backward


def no_bias(kernel: Array) -> Array:
    """The empty array that stands for an absent bias."""
    return np.empty(0, kernel.dtype)


def relu_gradient(y: Array, dy: Array) -> Array:
    """dy where the output y of a fused relu is positive, 0 elsewhere."""
    dx = np.empty(dy.shape, dy.dtype)
    _kernels.relu_backward(y, dy, 0.0, np.inf, 0.0, dx)
    return dx
