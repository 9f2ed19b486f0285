"""Lengths of convolutions, with the names of Keras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.core.shapes import Dim, transposed_length, window_length
from lamella.core.shapes import normalize_tuple as normalize_tuple

__all__ = ["conv_input_length", "conv_output_length", "convert_kernel", "deconv_length", "normalize_padding", "normalize_tuple"]

_PADDINGS = ("same", "valid", "full", "causal")


def normalize_padding(value: str) -> str:
    """The padding in lower case. Raises ValueError unless it is "valid", "same" or "causal"."""
    padding = value.lower() if isinstance(value, str) else value
    if padding not in ("valid", "same", "causal"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same" (or "causal" for Conv1D). Received: {padding}')
    return padding


def conv_output_length(input_length: Dim, filter_size: int, padding: str, stride: int, dilation: int = 1) -> Dim:
    """The number of windows. "full" pads so that each window has at least one element of the input. None gives None."""
    _check(padding, _PADDINGS)
    return window_length(input_length, filter_size, stride, padding, dilation)


def conv_input_length(output_length: Dim, filter_size: int, padding: str, stride: int) -> Dim:
    """A length of the input for which `conv_output_length` is `output_length`. With stride 1 it is the only one."""
    _check(padding, _PADDINGS[:3])
    if output_length is None:
        return None
    pad = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * pad + filter_size


def deconv_length(
    dim_size: Dim, stride_size: int, kernel_size: int, padding: str, output_padding: int | None, dilation: int = 1
) -> Dim:
    """The output length of a transposed convolution of an input with length dim_size."""
    _check(padding, _PADDINGS[:3])
    return transposed_length(dim_size, kernel_size, stride_size, padding, output_padding, dilation)


def convert_kernel(kernel: NDArray[np.generic]) -> NDArray[np.generic]:
    """A copy of a convolution's kernel [*window, in, out], reversed along its window axes: Theano's layout and back.

    Raises:
        ValueError: The kernel does not have 3 to 5 axes.
    """
    array = np.asarray(kernel)
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"Invalid kernel shape: {array.shape}")
    return np.flip(array, tuple(range(array.ndim - 2))).copy()


def _check(padding: str, allowed: tuple[str, ...]) -> None:
    if padding not in allowed:
        raise ValueError(f"expected padding to be one of {allowed}, got {padding!r}")
