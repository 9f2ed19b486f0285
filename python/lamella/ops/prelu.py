"""relu with trained slopes."""

from __future__ import annotations

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, in_place_of, is_of_last_axes
from lamella.ops.tape import Backward, Gradients, differentiable


@differentiable
def prelu(x: Array, alpha: Array) -> tuple[Array, Backward]:
    """x where x > 0, else alpha * x.

    Args:
        x: float [..., *C].
        alpha: [*C], or with more axes of size 1 before these.

    Returns:
        The shape of x. At 0 x has no gradient, as in Keras 2.2.5.

    Raises:
        ValueError: alpha has other shapes.
    """
    if not is_of_last_axes(alpha.shape, x.shape):
        raise ValueError(f"prelu: expected alpha with the last axes of x {x.shape}, got shape {alpha.shape}")
    x, alpha = contiguous(x), contiguous(alpha)
    y = empty_like(x)
    _kernels.prelu_forward(x, alpha, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx, dalpha = in_place_of(dy), empty_like(alpha)
        _kernels.prelu_backward(x, alpha, dy, dx, dalpha)
        return dx, dalpha

    return y, backward
