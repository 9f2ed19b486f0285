"""Losses of rows: the last axis is the row, the result has the shape of the others. Source: Keras 2.2.5.

A prediction that softmax or sigmoid has just made carries its logits (`Tensor.logits`). A cross-entropy of it has the same
value, and its gradient goes straight to the logits: p - y, which the clip of the probabilities cannot cut off.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamella import _kernels
from lamella.core import config
from lamella.ops.arrays import contiguous
from lamella.ops.tape import Array, Backward, Gradients, Tensor, differentiable, value_of


def _target(p: Array, y: Array, who: str) -> Array:
    """y as the kernels want it beside p. Raises ValueError if the shapes differ."""
    if p.shape != y.shape or p.ndim == 0:
        raise ValueError(f"{who}: expected targets of the prediction's shape {p.shape}, got {y.shape}")
    return contiguous(y if y.dtype == p.dtype else y.astype(p.dtype))


def _labels(p: Array, y: Array, who: str) -> Array:
    """y as int64, of shape p.shape[:-1] or p.shape[:-1] + (1,). The kernels check the range."""
    if p.ndim == 0 or y.shape != p.shape[:-1] and y.shape != (*p.shape[:-1], 1):
        raise ValueError(f"{who}: expected labels of shape {p.shape[:-1]} beside predictions {p.shape}, got {y.shape}")
    if y.dtype != np.int64:
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError(f"{who}: expected labels in [0, {p.shape[-1]}), got NaN or infinity")
        y = y.astype(np.int64)
    return contiguous(y)


def _outside(p: Array, y: Array, error: ValueError) -> ValueError:
    """The error to raise for one of a kernel, in the user's words if it is about the labels."""
    if y.size and (y.min() < 0 or y.max() >= p.shape[-1]):
        return ValueError(
            f"sparse_categorical_crossentropy: expected labels in [0, {p.shape[-1]}), got {y.min()} to {y.max()}"
        )
    return error


def _elementwise(
    who: str, formula: str, forward: Callable[[Array, Array, Array], None], slope: Callable[[Array, Array, Array, Array], None]
) -> Callable[..., Array | Tensor]:
    """mean over the row of f(p - y), f even: the gradient to y is that to p, negated."""

    def op(p: Array, y: Array) -> tuple[Array, Backward]:
        p, y = contiguous(p), _target(p, y, who)
        loss = np.empty(p.shape[:-1], p.dtype)
        forward(p, y, loss)

        def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
            dp = np.empty_like(p)
            slope(p, y, contiguous(dloss), dp)
            return dp if need[0] else None, -dp if need[1] else None

        return loss, backward

    op.__name__ = op.__qualname__ = who
    op.__doc__ = f"{formula} over the last axis; p, y: [..., C] of one shape. Returns [...]."
    return differentiable(op)


squared_error = _elementwise(
    "squared_error", "mean((p - y)**2)", _kernels.squared_error_forward, _kernels.squared_error_backward
)
absolute_error = _elementwise(
    "absolute_error", "mean(|p - y|)", _kernels.absolute_error_forward, _kernels.absolute_error_backward
)


def categorical_crossentropy(p: Array | Tensor, y: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """-sum(y log q), q = p / sum(p) clipped to [epsilon, 1 - epsilon], over the last axis.

    Args:  p: [..., C] probabilities, or logits if from_logits (nothing is clipped then).  y: the same shape.
    Returns:  [...].
    """
    if from_logits:
        return _softmax_crossentropy(p, y)
    if type(p) is Tensor and p.logits is not None and p.logits[0] == "softmax":
        return _categorical_crossentropy(p.logits[1], y, of_softmax=p.value)
    return _categorical_crossentropy(p, y)


@differentiable
def _categorical_crossentropy(x: Array, y: Array, *, of_softmax: Array | None = None) -> tuple[Array, Backward]:
    # x is p itself, or the logits that p came from and the gradient goes to.
    p = contiguous(x if of_softmax is None else of_softmax)
    y = _target(p, y, "categorical_crossentropy")
    epsilon = config.epsilon()
    loss = np.empty(p.shape[:-1], p.dtype)
    _kernels.categorical_crossentropy_forward(p, y, epsilon, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dx = dy = None
        if need[0]:
            dx = np.empty_like(p)
            if of_softmax is None:
                _kernels.categorical_crossentropy_backward(p, y, dloss, epsilon, dx)
            else:
                _kernels.softmax_crossentropy_backward(p, y, dloss, dx)
        if need[1]:
            q = p / p.sum(axis=-1, keepdims=True)
            dy = -np.log(np.clip(q, epsilon, 1 - epsilon)) * dloss[..., None]
        return dx, dy

    return loss, backward


@differentiable
def _softmax_crossentropy(z: Array, y: Array) -> tuple[Array, Backward]:
    z, y = contiguous(z), _target(z, y, "categorical_crossentropy")
    p = np.empty_like(z)
    loss = np.empty(z.shape[:-1], z.dtype)
    _kernels.softmax_crossentropy_forward(z, y, p, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dz = dy = None
        if need[0]:
            dz = np.empty_like(p)
            _kernels.softmax_crossentropy_backward(p, y, dloss, dz)
        if need[1]:
            dy = -np.log(p) * dloss[..., None]
        return dz, dy

    return loss, backward


def sparse_categorical_crossentropy(p: Array | Tensor, labels: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """-log q[label], q = p clipped to [epsilon, 1 - epsilon] and renormalised, over the last axis.

    Args:  p: [..., C] probabilities, or logits if from_logits.  labels: [...] or [..., 1], whole numbers in [0, C).
    Returns:  [...].
    Raises:  ValueError for other labels.
    """
    plain = value_of(labels)
    if from_logits:
        return _sparse_softmax_crossentropy(p, labels=plain)
    if type(p) is Tensor and p.logits is not None and p.logits[0] == "softmax":
        return _sparse_categorical_crossentropy(p.logits[1], labels=plain, of_softmax=p.value)
    return _sparse_categorical_crossentropy(p, labels=plain)


@differentiable
def _sparse_categorical_crossentropy(x: Array, *, labels: Array, of_softmax: Array | None = None) -> tuple[Array, Backward]:
    p = contiguous(x if of_softmax is None else of_softmax)
    y = _labels(p, labels, "sparse_categorical_crossentropy")
    epsilon = config.epsilon()
    loss = np.empty(p.shape[:-1], p.dtype)
    try:
        _kernels.sparse_categorical_crossentropy_forward(p, y, epsilon, loss)
    except ValueError as error:
        raise _outside(p, y, error) from None

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dx = np.empty_like(p)
        if of_softmax is None:
            _kernels.sparse_categorical_crossentropy_backward(p, y, contiguous(dloss), epsilon, dx)
        else:
            _kernels.sparse_softmax_crossentropy_backward(p, y, contiguous(dloss), dx)
        return (dx,)

    return loss, backward


@differentiable
def _sparse_softmax_crossentropy(z: Array, *, labels: Array) -> tuple[Array, Backward]:
    z = contiguous(z)
    y = _labels(z, labels, "sparse_categorical_crossentropy")
    p = np.empty_like(z)
    loss = np.empty(z.shape[:-1], z.dtype)
    try:
        _kernels.sparse_softmax_crossentropy_forward(z, y, p, loss)
    except ValueError as error:
        raise _outside(z, y, error) from None

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dz = np.empty_like(p)
        _kernels.sparse_softmax_crossentropy_backward(p, y, contiguous(dloss), dz)
        return (dz,)

    return loss, backward


def binary_crossentropy(p: Array | Tensor, y: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """mean of -(y log q + (1 - y) log(1 - q)), q = p clipped to [epsilon, 1 - epsilon], over the last axis.

    Args:  p: [..., C] probabilities, or logits if from_logits (nothing is clipped then).  y: the same shape.
    Returns:  [...].
    """
    if from_logits:
        return _sigmoid_crossentropy(p, y)
    if type(p) is Tensor and p.logits is not None and p.logits[0] == "sigmoid":
        return _binary_crossentropy(p.logits[1], y, of_sigmoid=p.value)
    return _binary_crossentropy(p, y)


@differentiable
def _binary_crossentropy(x: Array, y: Array, *, of_sigmoid: Array | None = None) -> tuple[Array, Backward]:
    p = contiguous(x if of_sigmoid is None else of_sigmoid)
    y = _target(p, y, "binary_crossentropy")
    epsilon = config.epsilon()
    loss = np.empty(p.shape[:-1], p.dtype)
    _kernels.binary_crossentropy_forward(p, y, epsilon, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dx = dy = None
        if need[0]:
            dx = np.empty_like(p)
            if of_sigmoid is None:
                _kernels.binary_crossentropy_backward(p, y, dloss, epsilon, dx)
            else:
                _kernels.sigmoid_crossentropy_backward(p, y, dloss, dx)
        if need[1]:
            q = np.clip(p, epsilon, 1 - epsilon)
            dy = np.log((1 - q) / q) * (dloss[..., None] / p.shape[-1])
        return dx, dy

    return loss, backward


@differentiable
def _sigmoid_crossentropy(z: Array, y: Array) -> tuple[Array, Backward]:
    z, y = contiguous(z), _target(z, y, "binary_crossentropy")
    p = np.empty_like(z)
    loss = np.empty(z.shape[:-1], z.dtype)
    _kernels.sigmoid_crossentropy_forward(z, y, p, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dz = dy = None
        if need[0]:
            dz = np.empty_like(p)
            _kernels.sigmoid_crossentropy_backward(p, y, dloss, dz)
        if need[1]:
            dy = z * (dloss[..., None] / -p.shape[-1])
        return dz, dy

    return loss, backward
