"""Activations: elementwise, and softmax over an axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamella import _kernels
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, in_place_of
from lamella.ops.tape import Backward, Gradients, Tensor, differentiable

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@differentiable
def relu(x: Array, *, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> tuple[Array, Backward]:
    """Where x > threshold: x, or with a max_value clip(x, 0, max_value). Elsewhere: alpha * (x - threshold).

    Args:
        x: float, any shape.
        alpha: Slope up to the threshold.
        max_value: The largest value of the result; None for no limit.
        threshold: The threshold.

    Returns:
        The same shape.
    """
    x = contiguous(x)
    y = empty_like(x)
    top = np.inf if max_value is None else max_value
    _kernels.relu_forward(x, alpha, top, threshold, y)
    # The gradient of the plain relu needs only the output, which the next op usually keeps too, so the input can be freed.
    kept = y if alpha == 0 and threshold == 0 and max_value is None else x

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = in_place_of(dy)
        _kernels.relu_backward(kept, dy, alpha, top, threshold, dx)
        return (dx,)

    return y, backward


@differentiable
def elu(x: Array, *, alpha: float = 1.0, scale: float = 1.0) -> tuple[Array, Backward]:
    """scale * x where x > 0, else scale * alpha * (exp(x) - 1); x: float, any shape."""
    x = contiguous(x)
    y = empty_like(x)
    _kernels.elu_forward(x, alpha, scale, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dy = contiguous(dy)
        dx = in_place_of(dy)
        _kernels.elu_backward(y, dy, alpha, scale, dx)
        return (dx,)

    return y, backward


def selu(x: Array | Tensor) -> Array | Tensor:
    """elu with the constants that keep mean 0 and variance 1; x: float, any shape. Source: arXiv 1706.02515."""
    return elu(x, alpha=SELU_ALPHA, scale=SELU_SCALE)


def _from_output(
    name: str, formula: str, forward: Callable[[Array, Array], None], backward: Callable[[Array, Array, Array], object]
) -> Callable[..., Array | Tensor]:
    """An elementwise op whose gradient is computed from its output.

    Args:
        name: Name of the op.
        formula: Formula, for its docstring.
        forward: forward(x, y) writes y.
        backward: backward(y, dy, dx) writes dx.
    """

    def op(x: Array) -> tuple[Array, Backward]:
        x = contiguous(x)
        y = empty_like(x)
        forward(x, y)

        def op_backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
            dy = contiguous(dy)
            dx = in_place_of(dy)
            backward(y, dy, dx)
            return (dx,)

        return y, op_backward

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{formula}; x: float, any shape."
    return differentiable(op)


def _product(a: Array, b: Array, y: Array) -> None:
    _kernels.arithmetic(a.reshape(1, 1, -1), b.reshape(1, 1, -1), 3, y.reshape(1, 1, -1))


tanh = _from_output("tanh", "tanh(x)", _kernels.tanh_forward, _kernels.tanh_backward)
hard_sigmoid = _from_output(
    "hard_sigmoid", "clip(0.2 * x + 0.5, 0, 1)", _kernels.hard_sigmoid_forward, _kernels.hard_sigmoid_backward
)
softplus = _from_output("softplus", "log(1 + exp(x))", _kernels.softplus_forward, _kernels.softplus_backward)
softsign = _from_output("softsign", "x / (1 + |x|)", _kernels.softsign_forward, _kernels.softsign_backward)
exponential = _from_output("exponential", "exp(x)", _kernels.exp_forward, _product)
_sigmoid = _from_output("sigmoid", "1 / (1 + exp(-x))", _kernels.sigmoid_forward, _kernels.sigmoid_backward)


def sigmoid(x: Array | Tensor) -> Array | Tensor:
    """1 / (1 + exp(-x)); x: float, any shape."""
    y = _sigmoid(x)
    if type(y) is Tensor and type(x) is Tensor:
        y.logits = ("sigmoid", x)
    return y


def softmax(x: Array | Tensor, *, axis: int = -1) -> Array | Tensor:
    """exp(x) / sum(exp(x)) over `axis`; x: float, at least one axis.

    Raises:
        ValueError: x does not have this axis.
    """
    y = _softmax(x, axis=axis)
    if type(y) is Tensor and type(x) is Tensor and (axis == -1 or axis == x.ndim - 1):
        y.logits = ("softmax", x)
    return y


@differentiable
def _softmax(x: Array, *, axis: int) -> tuple[Array, Backward]:
    ndim = x.ndim
    if not -ndim <= axis < ndim:
        raise ValueError(f"softmax: expected an axis in [{-ndim}, {ndim}), got {axis} for shape {x.shape}")
    last = axis == -1 or axis == ndim - 1
    x = contiguous(x if last else np.moveaxis(x, axis, -1))
    y = empty_like(x)
    _kernels.softmax_forward(x, y)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(y)
        _kernels.softmax_backward(y, contiguous(dy if last else np.moveaxis(dy, axis, -1)), dx)
        return (dx if last else np.moveaxis(dx, -1, axis),)

    return y if last else np.moveaxis(y, -1, axis), backward
