"""K: normalization by mean and variance, made of differentiable ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella import ops
from lamella.backend.reductions import mean as mean_of
from lamella.backend.reductions import var as var_of
from lamella.core.shapes import normalize_axis
from lamella.core.types import Value
from lamella.graph.checked import checked
from lamella.graph.connect import in_graphs
from lamella.graph.trial import Specs
from lamella.ops.arrays import is_of_kernels
from lamella.ops.tape import array_of

__all__ = ["batch_normalization", "normalize_batch_in_training"]


@in_graphs
def batch_normalization(
    x: Value, mean: Value, var: Value, beta: Value | None, gamma: Value | None, axis: int = -1, epsilon: float = 1e-3
) -> Value:
    """(x - mean) / sqrt(var + epsilon) * gamma + beta.

    Args:
        x: float, any shape.
        mean: [C], or with x's number of axes.
        var: Likewise.
        beta: Likewise, or None for 0.
        gamma: Likewise, or None for 1.
        axis: The axis of size C in x.
        epsilon: Added to var.

    Raises:
        ValueError: Another array has a wrong number of axes.

    Difference from Keras 2.2.5 with TensorFlow: an array [C] belongs to `axis` for every shape of x. In Keras it belongs to the
    last axis, unless x has four axes.
    """
    ndim = len(x.shape)
    axis = normalize_axis(axis, ndim)
    if axis == ndim - 1 and ndim > 1 and all(_is_of_channels(v, x) for v in (mean, var, beta, gamma)):
        return ops.batch_norm_inference(x, gamma, beta, mean, var, epsilon=epsilon)
    mean, var, beta, gamma = (_along(v, axis, ndim, x) for v in (mean, var, beta, gamma))
    y = ops.divide(ops.subtract(x, mean), ops.sqrt(ops.add(var, epsilon)))
    y = y if gamma is None else ops.multiply(y, gamma)
    return y if beta is None else ops.add(y, beta)


def _is_of_channels(v: Value | None, x: Value) -> bool:
    """Whether v is None, or [C] of the dtype of x [..., C], which kernels read."""
    if v is None:
        return True
    given, images = array_of(v), array_of(x)
    return given.shape == images.shape[-1:] and given.dtype == images.dtype and is_of_kernels(images)


def _along(v: Value | None, axis: int, ndim: int, x: Value) -> Value | None:
    """An array [C], reshaped so that it is broadcast along `axis`."""
    if v is None or not len(v.shape) or len(v.shape) == ndim:
        return v
    if len(v.shape) != 1:
        raise ValueError(f"expected mean, var, beta and gamma with 1 axis or {ndim}, got shape {tuple(v.shape)} for {x.shape}")
    return ops.reshape(v, shape=[-1 if i == axis else 1 for i in range(ndim)])


def _specs(specs: Specs, arguments: Mapping[str, Any]) -> Specs:
    shape, dtype = specs[0]
    axes = {normalize_axis(axis, len(shape)) for axis in arguments["reduction_axes"]}
    kept = tuple(d for i, d in enumerate(shape) if i not in axes)
    return ((shape, dtype), (kept, dtype), (kept, dtype))


def _normalized(x: Value, gamma: Value | None, beta: Value | None, reduction_axes: Sequence[int], epsilon: float = 1e-3) -> Any:
    axes = sorted({normalize_axis(axis, len(x.shape)) for axis in reduction_axes})
    if axes and axes == list(range(len(x.shape) - 1)) and all(_is_of_channels(v, x) for v in (gamma, beta)):
        return list(ops.batch_norm_with_statistics(x, gamma, beta, epsilon=epsilon))
    means, variances = mean_of(x, axes, True), var_of(x, axes, True)
    kept = [d for i, d in enumerate(x.shape) if i not in axes]
    wide = [1 if i in axes else d for i, d in enumerate(x.shape)]
    scale, shift = (v if v is None else ops.reshape(v, shape=wide) for v in (gamma, beta))
    y = batch_normalization(x, means, variances, shift, scale, epsilon=epsilon)
    return [y, ops.reshape(means, shape=kept), ops.reshape(variances, shape=kept)]


_in_training = in_graphs(_normalized, "normalize_batch_in_training", specs=_specs)


@checked
def normalize_batch_in_training(
    x: Value, gamma: Value | None, beta: Value | None, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> tuple[Value, Value, Value]:
    """x, normalized by its mean and variance over the reduction axes, together with these.

    Args:
        x: float, any shape.
        gamma: With the shape of x without the reduction axes; None is 1.
        beta: Likewise; None is 0.
        reduction_axes: The axes.
        epsilon: Added to the variance.

    Returns:
        The normalized x, its mean, and its biased variance: the sum of squares is divided by the number n of elements.

    Source: Keras 2.2.5. With TensorFlow, Keras divides the sum of squares of images by n - 1.
    """
    y, means, variances = _in_training(x, gamma, beta, reduction_axes, epsilon)
    return y, means, variances
