"""Private functions of keras/backend/tensorflow_backend.py that scripts import. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.backend.elementwise import maximum, sqrt
from lamella.backend.normalization import normalize_batch_in_training
from lamella.backend.reductions import mean, var
from lamella.backend.reductions import sum as sum_of
from lamella.backend.shapes import permute_dimensions
from lamella.backend.values import constant, identity, ones_like
from lamella.core.types import Value
from lamella.core.variable import Variable
from lamella.graph.symbolic import Symbolic
from lamella.ops.tape import Tensor

Normalized = tuple[Value, Value, Value]


def _preprocess_conv1d_input(x: Value, data_format: str | None) -> tuple[Value, str]:
    """x with the channels last, and "NWC". On a CPU, Keras transposes inputs with the channels first."""
    return _channels_last(x, data_format), "NWC"


def _preprocess_conv2d_input(x: Value, data_format: str | None, force_transpose: bool = False) -> tuple[Value, str]:
    """x with the channels last, and "NHWC". `force_transpose` has no effect, as in Keras on a CPU."""
    return _channels_last(x, data_format), "NHWC"


def _preprocess_conv3d_input(x: Value, data_format: str | None) -> tuple[Value, str]:
    """x with the channels last, and "NDHWC"."""
    return _channels_last(x, data_format), "NDHWC"


def _channels_last(x: Value, data_format: str | None) -> Value:
    return permute_dimensions(x, (0, *range(2, len(x.shape)), 1)) if data_format == "channels_first" else x


def _preprocess_padding(padding: str) -> str:
    """ "SAME" or "VALID".

    Raises:
        ValueError: padding is neither "same" nor "valid".
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding: {padding}")
    return padding.upper()


def _to_tensor(x: Any, dtype: str) -> Value:
    """x as a tensor; numbers and arrays are converted to `dtype`.

    Raises:
        ValueError: x is a tensor or a Variable of another dtype.
    """
    if not isinstance(x, (Symbolic, Variable, Tensor)):
        return constant(x, dtype)
    if x.dtype != dtype:
        raise ValueError(f"Tensor conversion requested dtype {dtype} for Tensor with dtype {x.dtype}: {x!r}; K.cast converts")
    return identity(x)


def _regular_normalize_batch_in_training(
    x: Value, gamma: Value | None, beta: Value | None, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> Normalized:
    """x, normalized by its mean and variance, with these; all of them and gamma and beta are broadcast from x's last axis."""
    means, variances = mean(x, list(reduction_axes)), var(x, list(reduction_axes))
    y = (x - means) / sqrt(variances + epsilon)
    y = y if gamma is None else y * gamma
    return (y if beta is None else y + beta), means, variances


_broadcast_normalize_batch_in_training = normalize_batch_in_training  # gamma and beta have the shape of x without the axes


def _fused_normalize_batch_in_training(
    x: Value, gamma: Value | None, beta: Value | None, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> Normalized:
    """For images: the variance that is returned is unbiased, which is n / (n - 1) times the one by which x is divided.

    Args:
        x: [N, H, W, C] for the reduction axes 0, 1, 2; for any others [N, C, H, W].
        gamma: [C]; None is 1.
        beta: [C]; None is 0.
        reduction_axes: The axes.
        epsilon: Added to the variance.

    Raises:
        ValueError: x does not have four axes.
    """
    if len(x.shape) != 4:
        raise ValueError(f"expected images [N, H, W, C] or [N, C, H, W], got shape {tuple(x.shape)}")
    axes = [0, 1, 2] if list(reduction_axes) == [0, 1, 2] else [0, 2, 3]
    y, means, variances = normalize_batch_in_training(x, gamma, beta, axes, epsilon)
    n = sum_of(ones_like(x), axes)  # a tensor, as the size of the batch may be unknown
    return y, means, variances * (n / maximum(n - 1, 1))
