"""Batch normalization, forward and backward.

Source: Ioffe & Szegedy 2015 (arXiv 1502.03167); the default of epsilon is that of Keras 2.2.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from lamella import _kernels
from lamella.core.shapes import count
from lamella.core.types import Array
from lamella.functional.arguments import flattened, of_arrays, or_absent, result, results


@of_arrays
def batch_norm(
    x: Array, gamma: Array | None, beta: Array | None, *, epsilon: float = 1e-3, out: Array | None = None
) -> tuple[Array, Array, Array]:
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the statistics of x over all axes but the last.

    Args:
        x: float32 or float64 [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        epsilon: Added to the variance.
        out: The array for y; a new one if None.

    Returns:
        (y [..., C], mean [C], variance [C]), the variance divided by the number of rows.

    Raises:
        ValueError: Shapes do not fit, or epsilon is negative or not finite.
        TypeError: The dtypes differ, or an array is not C-contiguous.
    """
    rows = _rows("batch_norm", x, epsilon)
    y = result("batch_norm", "out", out, x, x.shape)
    mean, variance = (result("batch_norm", "statistics", None, x, x.shape[-1:]) for _ in range(2))
    flat = flattened("batch_norm", "x", x, rows)
    _kernels.batch_norm_forward(flat, or_absent(gamma, x), or_absent(beta, x), epsilon, y.reshape(rows), mean, variance)
    return y, mean, variance


@of_arrays
def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    variance: Array,
    *,
    epsilon: float = 1e-3,
    out: Sequence[Array | None] | None = None,
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm`.

    Args:
        dy: The gradient of y, [..., C].
        x: As in `batch_norm`.
        gamma: As in `batch_norm`.
        mean: As `batch_norm` returned it.
        variance: As `batch_norm` returned it.
        epsilon: As in `batch_norm`.
        out: Arrays for dx, dgamma and dbeta, or None for each that is to be a new array.

    Returns:
        (dx [..., C], dgamma [C], dbeta [C]).

    Raises:
        ValueError, TypeError: As `batch_norm`.
    """
    rows = _rows("batch_norm_backward", x, epsilon)
    if dy.shape != x.shape:
        raise ValueError(f"batch_norm_backward: expected dy of shape {x.shape}, got {dy.shape}")
    names, shapes = ("dx", "dgamma", "dbeta"), (x.shape, x.shape[-1:], x.shape[-1:])
    dx, dgamma, dbeta = results("batch_norm_backward", names, (True,) * 3, out, (x, x, x), shapes)
    assert dx is not None and dgamma is not None and dbeta is not None
    flat_x, flat_dy = flattened("batch_norm_backward", "x", x, rows), flattened("batch_norm_backward", "dy", dy, rows)
    _kernels.batch_norm_backward(flat_x, flat_dy, or_absent(gamma, x), mean, variance, epsilon, dx.reshape(rows), dgamma, dbeta)
    return dx, dgamma, dbeta


@of_arrays
def batch_norm_inference(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    mean: Array,
    variance: Array,
    *,
    epsilon: float = 1e-3,
    out: Array | None = None,
) -> Array:
    """y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with given statistics.

    Args:
        x: float32 or float64 [..., C].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        mean: [C].
        variance: [C].
        epsilon: Added to the variance.
        out: The array for y; a new one if None.

    Returns:
        y [..., C].

    Raises:
        ValueError, TypeError: As `batch_norm`.
    """
    rows = _rows("batch_norm_inference", x, epsilon)
    y = result("batch_norm_inference", "out", out, x, x.shape)
    given = or_absent(gamma, x), or_absent(beta, x), mean, variance
    _kernels.batch_norm_inference(flattened("batch_norm_inference", "x", x, rows), *given, epsilon, y.reshape(rows))
    return y


def _rows(who: str, x: Array, epsilon: float) -> tuple[int, int]:
    """The shape of x as rows, after a check of epsilon."""
    if not 0 <= epsilon < inf:
        raise ValueError(f"{who}: expected epsilon to be a finite number >= 0, got {epsilon}")
    if x.ndim < 2:
        raise ValueError(f"{who}: expected x [..., C] with two axes or more, got shape {x.shape}")
    return count(x.shape[:-1]), x.shape[-1]
