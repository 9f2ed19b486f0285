"""Broadcasting arithmetic, for the backend's functions and the operators of tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from lamella import _kernels
from lamella.core.config import floatx
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.ops import broadcast
from lamella.ops.activations import exponential
from lamella.ops.arrays import contiguous, empty_like, in_place_of, is_of_kernels
from lamella.ops.broadcast import ABSOLUTE, CLIP, POWER, ROOT, elementwise, floor_divide, remainder, unbroadcast
from lamella.ops.tape import Backward, Gradients, Tensor, differentiable

exp = exponential


# Elements of which two passes of kernels take less time than NumPy's function.
_MANY = 1 << 12


def _elementary(x: Array, function: int, p: float = 0.0, q: float = 0.0) -> tuple[Array, Callable[[Array], Array]]:
    """A function of x, float32 or float64, by a kernel, and what computes dx from dy."""
    x = contiguous(x)
    y = empty_like(x)
    _kernels.elementary_forward(x, function, p, q, y)

    def to_x(dy: Array) -> Array:
        if function == POWER and p == 2 and 0 in dy.strides:
            return elementwise(np.multiply, x, broadcast.unrepeated(dy) * dy.dtype.type(2))
        dy = contiguous(dy)
        dx = in_place_of(dy)
        _kernels.elementary_backward(x, dy, function, p, q, dx)
        return dx

    return y, to_x


def _elementary_op(x: Array, function: int, p: float = 0.0, q: float = 0.0) -> tuple[Array, Backward]:
    y, to_x = _elementary(x, function, p, q)
    return y, lambda dy, need: (to_x(dy),)


def _agree(xs: tuple[Array, ...]) -> tuple[Array, ...]:
    """Convert numbers and integer arrays to the dtype of the float arrays, if these have only one dtype."""
    wanted = {x.dtype for x in xs if x.ndim and x.dtype.kind == "f"}
    if not wanted and not any(x.ndim for x in xs):
        # A number of Python comes as float64, which the result must not be if the other scalar is of floatx.
        wanted = {x.dtype for x in xs if x.dtype == floatx()}
    if all(x.dtype.kind in "iu" for x in xs):
        # A whole number of Python comes as int64, and is one of the array's dtype, as in TensorFlow.
        wanted = {x.dtype for x in xs if x.ndim}
        if len(wanted) == 1 and any(x != x.astype(next(iter(wanted))) for x in xs if not x.ndim):
            return xs
    if len(wanted) != 1:
        return xs
    dtype = wanted.pop()
    return tuple(x.astype(dtype) if x.ndim == 0 or x.dtype.kind in "biu" else x for x in xs)


@differentiable
def add(*xs: Array) -> tuple[Array, Backward]:
    """The sum of xs, broadcast."""
    xs = _agree(xs)
    y = xs[0]
    for x in xs[1:]:
        y = elementwise(np.add, y, x)
    return np.asarray(y), lambda dy, need: tuple(unbroadcast(dy, x) if n else None for x, n in zip(xs, need))


def _floats(x: Array) -> Array:
    """x, with integers as floatx: NumPy would compute them in float64, and small ones in float16."""
    return x.astype(floatx()) if x.dtype.kind in "biu" else x


def _binary(
    name: str,
    formula: str,
    forward: Callable[[Array, Array], Array],
    to_a: Callable[[Array, Array, Array, Array], Array],
    to_b: Callable[[Array, Array, Array, Array], Array],
) -> Callable[..., Array | Tensor]:
    """An op of two broadcast arrays. to_a and to_b compute the gradients, before unbroadcasting, from (a, b, y, dy)."""

    def op(a: Array, b: Array) -> tuple[Array, Backward]:
        if a.dtype != b.dtype:
            a, b = _agree((a, b))
        y = np.asarray(forward(a, b))

        def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
            return (
                unbroadcast(to_a(a, b, y, dy), a) if need[0] else None,
                unbroadcast(to_b(a, b, y, dy), b) if need[1] else None,
            )

        return y, backward

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{formula}, broadcast."
    return differentiable(op)


_difference, _product_of = functools.partial(elementwise, np.subtract), functools.partial(elementwise, np.multiply)
_quotient = functools.partial(elementwise, np.true_divide)

subtract = _binary(
    "subtract", "a - b", _difference, lambda a, b, y, dy: dy, lambda a, b, y, dy: broadcast.negative(unbroadcast(dy, b))
)
multiply = _binary(
    "multiply", "a * b", _product_of, lambda a, b, y, dy: _product_of(dy, b), lambda a, b, y, dy: _product_of(dy, a)
)
divide = _binary(
    "divide",
    "a / b",
    _quotient,
    lambda a, b, y, dy: _quotient(dy, b),
    # Summed before the division, which then has b's few elements.
    lambda a, b, y, dy: broadcast.negative(_quotient(unbroadcast(_product_of(dy, y), b), b)),
)
mod = _binary("mod", "a - b * floor(a / b)", remainder, lambda a, b, y, dy: dy, lambda a, b, y, dy: -dy * floor_divide(a, b))


_zero = functools.cache(functools.partial(np.zeros, ()))


def _chosen(dy: Array, condition: Array) -> Array:
    return broadcast.where(condition, dy, _zero(dy.dtype))


# If a == b, a gets the gradient, as in TensorFlow.
maximum = _binary(
    "maximum",
    "max(a, b)",
    functools.partial(elementwise, np.maximum),
    lambda a, b, y, dy: _chosen(dy, a >= b),
    lambda a, b, y, dy: _chosen(dy, ~(a >= b)),
)
minimum = _binary(
    "minimum",
    "min(a, b)",
    functools.partial(elementwise, np.minimum),
    lambda a, b, y, dy: _chosen(dy, a <= b),
    lambda a, b, y, dy: _chosen(dy, ~(a <= b)),
)


@differentiable
def power(a: Array, b: Array) -> tuple[Array, Backward]:
    """a ** b, broadcast."""
    if a.dtype != b.dtype:
        a, b = _agree((a, b))
    if broadcast.is_small_power(a, b):
        y, to_a = _elementary(a, POWER, float(b))
    else:
        # The gradient of a ** 0 is 0, also at a = 0, where TensorFlow has 0 * inf.
        y, to_a = np.asarray(np.power(a, b)), lambda dy: dy * b * np.power(a, np.where(b == 0, np.ones_like(b), b) - 1)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        # log(a) is needed only where a > 0: elsewhere a ** b is 0, or it has no derivative with respect to b.
        to_b = unbroadcast(dy * y * np.log(np.where(a > 0, a, 1)), b) if need[1] else None
        return unbroadcast(to_a(dy), a) if need[0] else None, to_b

    return y, backward


@differentiable
def matmul(a: Array, b: Array) -> tuple[Array, Backward]:
    """The matrix product of the last two axes. The other axes are broadcast.

    Args:
        a: [..., M, K].
        b: [..., K, N].

    Returns:
        [..., M, N].

    Raises:
        ValueError: An array has less than two axes, or the inner axes differ.
    """
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: expected [..., M, K] and [..., K, N], got {a.shape} and {b.shape}")

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        return (
            unbroadcast(_product(dy, b.swapaxes(-1, -2)), a) if need[0] else None,
            unbroadcast(_product(a.swapaxes(-1, -2), dy), b) if need[1] else None,
        )

    return _product(a, b), backward


def _product(a: Array, b: Array) -> Array:
    """The product, by the kernel; of integers by NumPy."""
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        whole: Array = np.matmul(a, b)
        return whole
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, left_transposed = _factor(a, stack)
    right, right_transposed = _factor(b, stack)
    y = empty_like(a, (len(left), a.shape[-2], b.shape[-1]))
    _kernels.matmul(left, right, left_transposed, right_transposed, y)
    return y.reshape(*stack, *y.shape[1:])


def _factor(x: Array, stack: tuple[int, ...]) -> tuple[Array, bool]:
    """The matrices of x, broadcast to `stack`, as [B, rows, columns]; or [B, columns, rows] and True, if that needs no copy."""
    if x.shape[:-2] != stack:
        x = np.broadcast_to(x, (*stack, *x.shape[-2:]))
    transposed = not x.flags.c_contiguous and x.swapaxes(-1, -2).flags.c_contiguous
    if transposed:
        x = x.swapaxes(-1, -2)
    return contiguous(x).reshape(count(stack), *x.shape[-2:]), transposed


@differentiable
def negative(x: Array) -> tuple[Array, Backward]:
    """-x, elementwise."""
    return broadcast.negative(x), lambda dy, need: (broadcast.negative(dy),)


@differentiable
def abs(x: Array) -> tuple[Array, Backward]:
    """|x|, elementwise. The gradient at 0 is 0."""
    if is_of_kernels(x):
        return _elementary_op(x, ABSOLUTE)
    return np.asarray(np.abs(x)), lambda dy, need: (dy * np.sign(x),)


@differentiable
def sign(x: Array) -> tuple[Array, Backward]:
    """-1, 0 or 1 by the sign of x, elementwise. The gradient is 0 everywhere, as in TensorFlow."""
    if is_of_kernels(x) and x.size >= _MANY:
        x = contiguous(x)
        y = empty_like(x)
        y.fill(1)
        _kernels.elementary_backward(x, y, ABSOLUTE, 0.0, 0.0, y)  # the slope of |x|
    else:
        y = np.asarray(np.sign(x))
    return y, lambda dy, need: (np.zeros_like(dy),)


@differentiable
def square(x: Array) -> tuple[Array, Backward]:
    """x * x, elementwise."""
    if is_of_kernels(x):
        return _elementary_op(x, POWER, 2.0)
    return np.asarray(np.square(x)), lambda dy, need: (dy * (2 * x),)


@differentiable
def sqrt(x: Array) -> tuple[Array, Backward]:
    """sqrt(max(x, 0)), elementwise; for integers in floatx. Source: Keras 2.2.5."""
    x = _floats(x)
    if is_of_kernels(x):
        return _elementary_op(x, ROOT)
    y = np.asarray(np.sqrt(np.maximum(x, 0)))
    return y, lambda dy, need: (np.where(x > 0, dy / (2 * np.where(x > 0, y, 1)), 0).astype(x.dtype, copy=False),)


@differentiable
def log(x: Array) -> tuple[Array, Backward]:
    """The natural logarithm of x, float32 or float64, elementwise: -inf at 0, NaN below."""
    x = contiguous(x)
    y = empty_like(x)
    _kernels.log_forward(x, y)
    return y, lambda dy, need: (_quotient(dy, x),)


@differentiable
def clip(x: Array, *, low: float, high: float) -> tuple[Array, Backward]:
    """min(max(x, low), high). The gradient is 0 where x is outside of [low, high]."""
    if is_of_kernels(x):
        return _elementary_op(x, CLIP, low, high)
    y = np.asarray(np.clip(x, low, high))
    return y, lambda dy, need: (np.where((x >= low) & (x <= high), dy, 0).astype(x.dtype, copy=False),)


@differentiable
def sin(x: Array) -> tuple[Array, Backward]:
    """sin(x), elementwise; for integers in floatx."""
    x = _floats(x)
    return np.asarray(np.sin(x)), lambda dy, need: (dy * np.cos(x),)


@differentiable
def cos(x: Array) -> tuple[Array, Backward]:
    """cos(x), elementwise; for integers in floatx."""
    x = _floats(x)
    return np.asarray(np.cos(x)), lambda dy, need: (-dy * np.sin(x),)


@differentiable
def cast(x: Array, *, dtype: str) -> tuple[Array, Backward]:
    """x, of any shape, in another dtype. The gradient has x's dtype."""
    return x.astype(dtype), lambda dy, need: (dy.astype(x.dtype),)


@differentiable
def where(a: Array, b: Array, *, condition: Array) -> tuple[Array, Backward]:
    """a where the condition holds, else b; broadcast. The gradient is 0, and never NaN, where an array is not selected."""
    a, b = _agree((a, b))
    condition = np.asarray(condition, bool)

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        zero = _zero(dy.dtype)
        return (
            unbroadcast(broadcast.where(condition, dy, zero), a) if need[0] else None,
            unbroadcast(broadcast.where(condition, zero, dy), b) if need[1] else None,
        )

    return broadcast.where(condition, a, b) if a.dtype == b.dtype else np.where(condition, a, b), backward
