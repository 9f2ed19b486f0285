"""Dense layer: an affine map of the last axis."""

from __future__ import annotations

from typing import Literal, TypeAlias

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import absent, contiguous, empty_like, or_absent, reshaped
from lamella.ops.tape import Backward, Gradients, differentiable

# The activations that a multiply kernel can apply to its result before it stores it.
FusedActivation: TypeAlias = Literal["linear", "relu"]


@differentiable
def dense(x: Array, kernel: Array, bias: Array | None, *, activation: FusedActivation = "linear") -> tuple[Array, Backward]:
    """y = activation(x kernel + bias).

    Args:
        x: float [..., K].
        kernel: [K, N].
        bias: [N] or None.
        activation: "linear" | "relu".

    Returns:
        [..., N].

    Raises:
        TypeError: The dtypes differ.
        ValueError: x has another K than kernel.
    """
    inputs, units = kernel.shape
    shape = x.shape
    if not shape or shape[-1] != inputs:
        raise ValueError(f"dense: expected last axis {inputs}, got shape {shape}")
    flat = len(shape) == 2
    rows = contiguous(x if flat else reshaped(x, (-1, inputs)))
    kernel = contiguous(kernel)  # that of a layer with tied weights may be a transposed one
    relu = activation == "relu"
    y = empty_like(x, (len(rows), units))
    _kernels.dense_forward(rows, kernel, or_absent(bias, kernel.dtype), relu, y)
    output = y if relu else None  # only the gradient of relu needs it

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        none = absent(rows.dtype)
        dz = none if output is None else empty_like(output)
        dx = empty_like(rows) if need[0] else none
        dkernel = empty_like(kernel) if need[1] else none
        dbias = none if bias is None or not need[2] else empty_like(bias)
        dy = contiguous(dy if flat else reshaped(dy, (-1, units)))
        _kernels.dense_backward(rows, kernel, none if output is None else output, dy, dz, dx, dkernel, dbias)
        return dx if flat or not need[0] else dx.reshape(shape), dkernel, dbias

    return y if flat else y.reshape(*shape[:-1], units), backward
