"""Batch normalization over all axes but the last."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core import shapes
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, in_place_of, or_absent, reshaped
from lamella.ops.tape import Backward, Gradients, differentiable


def _rows(x: Array, who: str) -> Array:
    if x.ndim < 2:
        raise ValueError(f"{who}: expected [..., C] with two axes or more, got shape {x.shape}")
    return contiguous(x if x.ndim == 2 else reshaped(x, (shapes.count(x.shape[:-1]), x.shape[-1])))


@differentiable
def batch_norm(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    epsilon: float,
    statistics: dict[str, Array] | None = None,
) -> tuple[Array, Backward]:
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with the statistics of this batch.

    Args:
        x: float [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        epsilon: Added to the variance.
        statistics: A dict to which "mean" and "variance" (biased), [C], are written.

    Returns:
        [..., C].

    Raises:
        ValueError: x has less than two axes.
    """
    return _normalize(x, gamma, beta, epsilon, statistics, "batch_norm")


@differentiable
def batch_norm_relu(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    *,
    epsilon: float,
    max_value: float | None = None,
    statistics: dict[str, Array] | None = None,
) -> tuple[Array, Backward]:
    """`relu` of `batch_norm`, with the same bits, in as few passes over x as batch_norm alone needs.

    Args:
        x: float [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        epsilon: Added to the variance.
        max_value: As in `relu`.
        statistics: A dict to which "mean" and "variance" (biased), [C], are written.

    Returns:
        [..., C].

    Raises:
        ValueError: x has less than two axes.
    """
    top = np.inf if max_value is None else max_value
    return _normalize(x, gamma, beta, epsilon, statistics, "batch_norm_relu", top)


def _normalize(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    epsilon: float,
    statistics: dict[str, Array] | None,
    who: str,
    top: float | None = None,
) -> tuple[Array, Backward]:
    """batch_norm. If `top` is given, a relu with this max_value follows."""
    rows = _rows(x, who)
    scale, offset = or_absent(gamma, x.dtype), or_absent(beta, x.dtype)
    y = empty_like(rows)
    mean = empty_like(x, (rows.shape[1],))
    variance = empty_like(mean)
    if top is None:
        _kernels.batch_norm_forward(rows, scale, offset, epsilon, y, mean, variance)
    else:
        _kernels.batch_norm_relu_forward(rows, scale, offset, epsilon, top, y, mean, variance)
    if statistics is not None:
        statistics["mean"], statistics["variance"] = mean, variance
    before = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        dgamma, dbeta = empty_like(mean), empty_like(mean)
        dy = contiguous(dy)
        dx = in_place_of(dy)
        given, found = dy.reshape(rows.shape), (dx.reshape(rows.shape), dgamma, dbeta)
        if top is None:
            _kernels.batch_norm_backward(rows, given, scale, mean, variance, epsilon, *found)
        else:
            _kernels.batch_norm_relu_backward(rows, given, scale, offset, mean, variance, epsilon, top, *found)
        return dx, None if gamma is None else dgamma, None if beta is None else dbeta

    return y.reshape(before), backward


@differentiable
def batch_norm_inference(
    x: Array, gamma: Array | None, beta: Array | None, mean: Array, variance: Array, *, epsilon: float
) -> tuple[Array, Backward]:
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with given statistics, which get no gradient.

    Args:
        x: float [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        mean: [C].
        variance: [C].
        epsilon: Added to the variance.

    Returns:
        [..., C].

    Raises:
        ValueError: x has less than two axes.
    """
    return _normalize_by(x, gamma, beta, mean, variance, epsilon, "batch_norm_inference")


@differentiable
def batch_norm_relu_inference(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
    max_value: float | None = None,
) -> tuple[Array, Backward]:
    """`relu` of `batch_norm_inference`, with the same bits, in one pass over x.

    Args:
        x: float [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        mean: [C].
        variance: [C].
        epsilon: Added to the variance.
        max_value: As in `relu`.

    Returns:
        [..., C].

    Raises:
        ValueError: x has less than two axes.
    """
    top = np.inf if max_value is None else max_value
    return _normalize_by(x, gamma, beta, mean, variance, epsilon, "batch_norm_relu_inference", top)


def _normalize_by(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    epsilon: float,
    who: str,
    top: float | None = None,
) -> tuple[Array, Backward]:
    """batch_norm_inference. If `top` is given, a relu with this max_value follows."""
    rows = _rows(x, who)
    scale, offset = or_absent(gamma, x.dtype), or_absent(beta, x.dtype)
    mean, variance = contiguous(mean), contiguous(variance)
    y = empty_like(rows)
    if top is None:
        _kernels.batch_norm_inference(rows, scale, offset, mean, variance, epsilon, y)
    else:
        _kernels.batch_norm_relu_inference(rows, scale, offset, mean, variance, epsilon, top, y)
    before = x.shape

    def backward(dy: Array, need: tuple[bool, ...]) -> Gradients:
        slope = contiguous(dy).reshape(rows.shape)
        if top is not None:
            slope, given = empty_like(rows), slope
            _kernels.relu_backward(y, given, 0.0, top, 0.0, slope)
        dx = dgamma = dbeta = None
        if need[0]:
            dx = empty_like(rows)  # y is linear in x, with slope gamma / sqrt(variance + epsilon)
            _kernels.batch_norm_inference(slope, scale, or_absent(None, x.dtype), np.zeros_like(mean), variance, epsilon, dx)
        if need[1]:
            inverse = (1 / np.sqrt(variance + rows.dtype.type(epsilon))).astype(rows.dtype, copy=False)
            dgamma = (slope * (rows - mean)).sum(axis=0) * inverse
        if need[2]:
            dbeta = empty_like(mean)
            _kernels.sum_columns(slope, dbeta)
        return None if dx is None else dx.reshape(before), dgamma, dbeta, None, None

    return y.reshape(before), backward
