"""Cross-entropies of rows: they reduce the last axis, the row, and keep the others. Source: Keras 2.2.5.

A prediction made by softmax or sigmoid keeps its logits (`Tensor.logits`). The value of a cross-entropy of it does not change,
but its gradient is computed for the logits directly: p - y, which does not become 0 where the probabilities are clipped.
"""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core import config
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like
from lamella.ops.tape import Backward, Gradients, Tensor, differentiable, value_of
from lamella.ops.targets import label_error, labels_for, target_like


def categorical_crossentropy(p: Array | Tensor, y: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """-sum(y log q) over the last axis, where q = p / sum(p), clipped to [epsilon, 1 - epsilon].

    Args:
        p: float [..., C], probabilities, or logits if from_logits.
        y: The same shape.
        from_logits: Whether p are logits. Then q = softmax(p), and nothing is clipped.

    Returns:
        p's dtype, [...].

    Raises:
        ValueError: The shapes differ.
    """
    if from_logits:
        return _softmax_crossentropy(p, y)
    if type(p) is Tensor and p.logits is not None and p.logits[0] == "softmax":
        return _categorical_crossentropy(p.logits[1], y, of_softmax=p.value)
    return _categorical_crossentropy(p, y)


@differentiable
def _categorical_crossentropy(x: Array, y: Array, *, of_softmax: Array | None = None) -> tuple[Array, Backward]:
    # x is p, or the logits of p, which then get the gradient.
    p = contiguous(x if of_softmax is None else of_softmax)
    y = target_like(p, y, "categorical_crossentropy")
    epsilon = config.epsilon()
    loss = empty_like(p, p.shape[:-1])
    _kernels.categorical_crossentropy_forward(p, y, epsilon, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dx = dy = None
        if need[0]:
            dx = empty_like(p)
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
    z, y = contiguous(z), target_like(z, y, "categorical_crossentropy")
    p = empty_like(z)
    loss = empty_like(z, z.shape[:-1])
    _kernels.softmax_crossentropy_forward(z, y, p, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dz = dy = None
        if need[0]:
            dz = empty_like(p)
            _kernels.softmax_crossentropy_backward(p, y, dloss, dz)
        if need[1]:
            dy = -np.log(p) * dloss[..., None]
        return dz, dy

    return loss, backward


def sparse_categorical_crossentropy(p: Array | Tensor, labels: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """-log q[label] over the last axis, where q is p clipped to [epsilon, 1 - epsilon] and divided by its sum.

    Args:
        p: float [..., C], probabilities, or logits if from_logits.
        labels: [...] or [..., 1], whole numbers in [0, C).
        from_logits: Whether p are logits. Then q = softmax(p), and nothing is clipped.

    Returns:
        p's dtype, [...].

    Raises:
        ValueError: The labels have another shape or range.
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
    y = labels_for(p, labels, "sparse_categorical_crossentropy")
    epsilon = config.epsilon()
    loss = empty_like(p, p.shape[:-1])
    try:
        _kernels.sparse_categorical_crossentropy_forward(p, y, epsilon, loss)
    except ValueError as error:
        raise label_error(p, y, error) from None

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dx = empty_like(p)
        if of_softmax is None:
            _kernels.sparse_categorical_crossentropy_backward(p, y, contiguous(dloss), epsilon, dx)
        else:
            _kernels.sparse_softmax_crossentropy_backward(p, y, contiguous(dloss), dx)
        return (dx,)

    return loss, backward


@differentiable
def _sparse_softmax_crossentropy(z: Array, *, labels: Array) -> tuple[Array, Backward]:
    z = contiguous(z)
    y = labels_for(z, labels, "sparse_categorical_crossentropy")
    p = empty_like(z)
    loss = empty_like(z, z.shape[:-1])
    try:
        _kernels.sparse_softmax_crossentropy_forward(z, y, p, loss)
    except ValueError as error:
        raise label_error(z, y, error) from None

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dz = empty_like(p)
        _kernels.sparse_softmax_crossentropy_backward(p, y, contiguous(dloss), dz)
        return (dz,)

    return loss, backward


def binary_crossentropy(p: Array | Tensor, y: Array | Tensor, *, from_logits: bool = False) -> Array | Tensor:
    """The mean of -(y log q + (1 - y) log(1 - q)) over the last axis, where q is p clipped to [epsilon, 1 - epsilon].

    Args:
        p: float [..., C], probabilities, or logits if from_logits.
        y: The same shape.
        from_logits: Whether p are logits. Then q = sigmoid(p), and nothing is clipped.

    Returns:
        p's dtype, [...].

    Raises:
        ValueError: The shapes differ.
    """
    if from_logits:
        return _sigmoid_crossentropy(p, y)
    if type(p) is Tensor and p.logits is not None and p.logits[0] == "sigmoid":
        return _binary_crossentropy(p.logits[1], y, of_sigmoid=p.value)
    return _binary_crossentropy(p, y)


@differentiable
def _binary_crossentropy(x: Array, y: Array, *, of_sigmoid: Array | None = None) -> tuple[Array, Backward]:
    p = contiguous(x if of_sigmoid is None else of_sigmoid)
    y = target_like(p, y, "binary_crossentropy")
    epsilon = config.epsilon()
    loss = empty_like(p, p.shape[:-1])
    _kernels.binary_crossentropy_forward(p, y, epsilon, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dx = dy = None
        if need[0]:
            dx = empty_like(p)
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
    z, y = contiguous(z), target_like(z, y, "binary_crossentropy")
    p = empty_like(z)
    loss = empty_like(z, z.shape[:-1])
    _kernels.sigmoid_crossentropy_forward(z, y, p, loss)

    def backward(dloss: Array, need: tuple[bool, ...]) -> Gradients:
        dloss = contiguous(dloss)
        dz = dy = None
        if need[0]:
            dz = empty_like(p)
            _kernels.sigmoid_crossentropy_backward(p, y, dloss, dz)
        if need[1]:
            dy = z * (dloss[..., None] / -p.shape[-1])
        return dz, dy

    return loss, backward
