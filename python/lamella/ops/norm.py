"""Batch normalization over all axes but the last."""

from __future__ import annotations

import numpy as np

from lamella import _kernels
from lamella.core import shapes
from lamella.core.types import Array
from lamella.ops.arrays import contiguous, empty_like, in_place_of, or_absent, reshaped
from lamella.ops.broadcast import elementwise
from lamella.ops.tape import Backward, BackwardOfSeveral, Gradients, differentiable


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


@differentiable
def batch_norm_with_statistics(
    x: Array, gamma: Array | None, beta: Array | None, *, epsilon: float
) -> tuple[tuple[Array, ...], BackwardOfSeveral]:
    """`batch_norm` of x with its mean and biased variance, which have gradients, too.

    Args:
        x: float [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        epsilon: Added to the variance.

    Returns:
        (y [..., C], mean [C], variance [C]).

    Raises:
        ValueError: x has less than two axes.
    """
    statistics: dict[str, Array] = {}
    y, to_x = _normalize(x, gamma, beta, epsilon, statistics, "batch_norm_with_statistics")
    mean, variance = statistics["mean"], statistics["variance"]

    def backward(dys: Gradients, need: tuple[bool, ...]) -> Gradients:
        dy, dmean, dvariance = dys
        found = (None, None, None) if dy is None else to_x(dy, need)
        dx, dgamma, dbeta = (d if isinstance(d, np.ndarray) else None for d in found)
        one = x.dtype.type(max(x.size // max(mean.size, 1), 1))
        if dmean is not None:
            dx = np.broadcast_to(dmean / one, x.shape) if dx is None else elementwise(np.add, dx, dmean / one)
        if dvariance is not None:
            along = elementwise(np.multiply, elementwise(np.subtract, contiguous(x), mean), dvariance * (2 / one))
            dx = along if dx is None else elementwise(np.add, dx, along)
        return dx, dgamma, dbeta

    return (y, mean, variance), backward


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
        dx = dgamma = dbeta = dmean = dvariance = None
        if need[0]:
            dx = empty_like(rows)  # y is linear in x, with slope gamma / sqrt(variance + epsilon)
            _kernels.batch_norm_inference(slope, scale, or_absent(None, x.dtype), np.zeros_like(mean), variance, epsilon, dx)
        if any(need[1:]):
            dgamma, dbeta = empty_like(mean), empty_like(mean)
            # The kernel's dx, which is not used, is that of a mean and a variance which depend on x.
            _kernels.batch_norm_backward(rows, slope, scale, mean, variance, epsilon, empty_like(rows), dgamma, dbeta)
        if any(need[3:]):
            assert dgamma is not None and dbeta is not None
            inverse = (1 / np.sqrt(variance + rows.dtype.type(epsilon))).astype(rows.dtype, copy=False)
            factor = inverse if gamma is None else inverse * scale
            dmean, dvariance = -factor * dbeta, dgamma * factor * inverse * rows.dtype.type(-0.5)
        found = dgamma, dbeta, dmean, dvariance
        return None if dx is None else dx.reshape(before), *(d if n else None for d, n in zip(found, need[1:]))

    return y.reshape(before), backward
