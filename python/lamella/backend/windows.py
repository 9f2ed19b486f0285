"""K: convolutions of sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import ops
from lamella.core.config import normalize_data_format
from lamella.core.shapes import normalize_tuple, transposed_length
from lamella.core.types import Value
from lamella.graph.connect import in_graphs
from lamella.ops.data_format import to_first, to_last
from lamella.ops.shape import packed

__all__ = [
    "conv1d", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "depthwise_conv2d", "local_conv", "local_conv1d",
    "local_conv2d", "separable_conv1d", "separable_conv2d",
]  # fmt: skip


Numbers = int | Sequence[int]


@in_graphs
def conv1d(
    x: Value,
    kernel: Value,
    strides: Numbers = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = 1,
) -> Value:
    """Convolution of sequences [N, T, C].

    Args:
        x: [N, T, C], or [N, C, T] with channels_first.
        kernel: [k, in, out] for both data formats.
        strides: Stride.
        padding: "valid" | "same" | "causal".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        dilation_rate: Dilation.
    """
    return _convolved(x, kernel, (strides, padding, dilation_rate), data_format, ("valid", "same", "causal"), 1)


@in_graphs
def conv2d(
    x: Value,
    kernel: Value,
    strides: Numbers = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = (1, 1),
) -> Value:
    """Convolution of images.

    Args:
        x: [N, H, W, in], or [N, in, H, W] with channels_first.
        kernel: [kh, kw, in, out] for both data formats.
        strides: One number, or one for each axis.
        padding: "valid" | "same".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        dilation_rate: One number, or one for each axis.

    Raises:
        ValueError: The shapes do not fit, or a name is unknown.
    """
    return _convolved(x, kernel, (strides, padding, dilation_rate), data_format, ("valid", "same"), 2)


@in_graphs
def conv3d(
    x: Value,
    kernel: Value,
    strides: Numbers = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = (1, 1, 1),
) -> Value:
    """`conv2d` of volumes, x with one more axis. kernel: [k1, k2, k3, in, out] for both data formats."""
    return _convolved(x, kernel, (strides, padding, dilation_rate), data_format, ("valid", "same"), 3)


def _convolved(
    x: Value,
    kernel: Value,
    moves: tuple[Numbers, str, Numbers],
    data_format: str | None,
    paddings: tuple[str, ...],
    axes: int,
) -> Value:
    if len(kernel.shape) != axes + 2:
        raise ValueError(f"K.conv{axes}d: expected a kernel of {axes + 2} axes, got shape {tuple(kernel.shape)}")
    strides, padding, dilation = moves
    first = normalize_data_format(data_format) == "channels_first"
    y = ops.conv(
        to_last(x) if first else x,
        packed(kernel),
        None,
        strides=normalize_tuple(strides, axes, "strides"),
        dilation=normalize_tuple(dilation, axes, "dilation_rate"),
        padding=checked_padding(padding, paddings),
        activation="linear",
    )
    return to_first(y) if first else y


@in_graphs
def conv2d_transpose(
    x: Value,
    kernel: Value,
    output_shape: Sequence[int | None] | None,
    strides: Numbers = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = (1, 1),
) -> Value:
    """Transposed convolution of images.

    Args:
        x: [N, H, W, in], or [N, in, H, W] with channels_first.
        kernel: [kh, kw, out, in] for both data formats.
        output_shape: The shape of the result with the batch, in the order of data_format. None, for all or for a size, is the
            size without output padding.
        strides: One number, or one for each axis.
        padding: "valid" | "same".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        dilation_rate: One number, or one for each axis.
    """
    return _transposed(x, kernel, output_shape, (strides, padding, dilation_rate), data_format, 2)


@in_graphs
def conv3d_transpose(
    x: Value,
    kernel: Value,
    output_shape: Sequence[int | None] | None,
    strides: Numbers = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Value:
    """`conv2d_transpose` of volumes, x with one more axis, without dilation. kernel: [k1, k2, k3, out, in]."""
    return _transposed(x, kernel, output_shape, (strides, padding, 1), data_format, 3)


def _transposed(
    x: Value,
    kernel: Value,
    output_shape: Sequence[int | None] | None,
    moves: tuple[Numbers, str, Numbers],
    data_format: str | None,
    axes: int,
) -> Value:
    who = f"K.conv{axes}d_transpose"
    if len(kernel.shape) != axes + 2 or len(x.shape) != axes + 2:
        raise ValueError(f"{who}: expected {axes + 2} axes, got x {tuple(x.shape)} and a kernel {tuple(kernel.shape)}")
    strides, padding = normalize_tuple(moves[0], axes, "strides"), checked_padding(moves[1])
    dilation = normalize_tuple(moves[2], axes, "dilation_rate")
    first = normalize_data_format(data_format) == "channels_first"
    x = to_last(x) if first else x
    wanted = [None] * (axes + 2) if output_shape is None else [None if n is None else int(n) for n in output_shape]
    if len(wanted) != axes + 2:
        raise ValueError(f"{who}: expected an output_shape of {axes + 2} sizes, got {output_shape}")
    sizes = [
        transposed_length(n, k, stride, padding, None, d) if size is None else size
        for size, n, k, stride, d in zip(wanted[2:] if first else wanted[1:-1], x.shape[1:-1], kernel.shape, strides, dilation)
    ]
    y = ops.conv_transpose(x, packed(kernel), None, sizes=sizes, strides=strides, dilation=dilation, padding=padding)
    return to_first(y) if first else y


@in_graphs
def depthwise_conv2d(
    x: Value,
    depthwise_kernel: Value,
    strides: Numbers = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = (1, 1),
) -> Value:
    """Convolution of each channel of images separately. The result has C*M channels.

    Args:
        x: [N, H, W, C], or [N, C, H, W] with channels_first.
        depthwise_kernel: [kh, kw, C, M] for both data formats.
        strides: One number, or one for each axis.
        padding: "valid" | "same".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        dilation_rate: One number, or one for each axis.
    """
    return _depthwise("depthwise_conv2d", x, [depthwise_kernel], (strides, padding, dilation_rate), data_format, 2)


@in_graphs
def separable_conv1d(
    x: Value,
    depthwise_kernel: Value,
    pointwise_kernel: Value,
    strides: Numbers = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = 1,
) -> Value:
    """A depthwise convolution of sequences, then a convolution with a window of one step over all channels.

    Kernels as in `separable_conv2d`, with one axis for the steps.
    """
    kernels = [depthwise_kernel, pointwise_kernel]
    return _depthwise("separable_conv1d", x, kernels, (strides, padding, dilation_rate), data_format, 1)


@in_graphs
def separable_conv2d(
    x: Value,
    depthwise_kernel: Value,
    pointwise_kernel: Value,
    strides: Numbers = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Numbers = (1, 1),
) -> Value:
    """A depthwise convolution of images, then a convolution with a window of one place over all channels.

    Args:
        x: [N, H, W, C], or [N, C, H, W] with channels_first.
        depthwise_kernel: [kh, kw, C, M] for both data formats.
        pointwise_kernel: [1, 1, C*M, filters].
        strides: One number, or one for each axis.
        padding: "valid" | "same".
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().
        dilation_rate: One number, or one for each axis.
    """
    kernels = [depthwise_kernel, pointwise_kernel]
    return _depthwise("separable_conv2d", x, kernels, (strides, padding, dilation_rate), data_format, 2)


def _depthwise(
    name: str,
    x: Value,
    kernels: Sequence[Value],
    moves: tuple[Numbers, str, Numbers],
    data_format: str | None,
    axes: int,
) -> Value:
    for kernel in kernels:
        if len(kernel.shape) != axes + 2:
            raise ValueError(f"K.{name}: expected kernels of {axes + 2} axes, got shape {tuple(kernel.shape)}")
    strides, padding, dilation = moves
    first = normalize_data_format(data_format) == "channels_first"
    y = ops.depthwise_conv(
        to_last(x) if first else x,
        kernels[0],
        None,
        strides=normalize_tuple(strides, axes, "strides"),
        dilation=normalize_tuple(dilation, axes, "dilation_rate"),
        padding=checked_padding(padding),
    )
    for pointwise in kernels[1:]:
        y = ops.conv(y, packed(pointwise), None)
    return to_first(y) if first else y


@in_graphs
def local_conv1d(inputs: Value, kernel: Value, kernel_size: Numbers, strides: Numbers, data_format: str | None = None) -> Value:
    """Local convolution of sequences [N, T, C]: each of the P windows has its own weights.

    Args:
        inputs: [N, T, C].
        kernel: [P, k*C, filters].
        kernel_size: k.
        strides: Stride.
        data_format: "channels_last" | None.

    Raises:
        ValueError: data_format is "channels_first", which Keras 2.2.5 accepts and ignores; or P is not the number of windows.
    """
    if data_format is not None and normalize_data_format(data_format) != "channels_last":
        raise ValueError(f'K.local_conv1d: expected data_format to be "channels_last", got {data_format!r}')
    return _local("local_conv1d", inputs, kernel, (kernel_size, strides), None, "channels_last", 1)


@in_graphs
def local_conv2d(
    inputs: Value,
    kernel: Value,
    kernel_size: Numbers,
    strides: Numbers,
    output_shape: Sequence[int] | None,
    data_format: str | None = None,
) -> Value:
    """Local convolution of images: each window has its own weights.

    Args:
        inputs: [N, H, W, C], or [N, C, H, W] with channels_first.
        kernel: [P*Q, kh*kw*C, filters]: the windows row by row, each in the order [kh, kw, C], or [C, kh, kw] with
            channels_first.
        kernel_size: (kh, kw).
        strides: One number, or one for each axis.
        output_shape: (P, Q), which is checked; None for no check.
        data_format: "channels_last" | "channels_first"; None is K.image_data_format().

    Raises:
        ValueError: output_shape or the kernel does not fit.
    """
    return _local("local_conv2d", inputs, kernel, (kernel_size, strides), output_shape, data_format, 2)


@in_graphs
def local_conv(
    inputs: Value,
    kernel: Value,
    kernel_size: Sequence[int],
    strides: Sequence[int],
    output_shape: Sequence[int] | None,
    data_format: str | None = None,
) -> Value:
    """`local_conv2d`, or the same for sequences if kernel_size has one number. Source: Keras 2.3."""
    return _local("local_conv", inputs, kernel, (kernel_size, strides), output_shape, data_format, len(kernel_size))


def _local(
    name: str,
    x: Value,
    kernel: Value,
    window: tuple[Numbers, Numbers],
    output_shape: Sequence[int] | None,
    data_format: str | None,
    axes: int,
) -> Value:
    first = normalize_data_format(data_format) == "channels_first"
    y = ops.local_conv(
        to_last(x) if first else x,
        kernel,
        None,
        size=normalize_tuple(window[0], axes, "kernel_size"),
        strides=normalize_tuple(window[1], axes, "strides"),
        channels_first=first,
    )
    if output_shape is not None and tuple(output_shape) != tuple(y.shape[1:-1]):
        raise ValueError(f"K.{name}: expected output_shape {tuple(y.shape[1:-1])}, got {tuple(output_shape)}")
    return to_first(y) if first else y


def checked_padding(given: str, allowed: tuple[str, ...] = ("valid", "same")) -> str:
    """The padding in lower case.

    Raises:
        ValueError: It is not one of `allowed`. The message is that of K in Keras 2.2.5; layers have another one.
    """
    padding = given.lower() if isinstance(given, str) else given
    if padding not in allowed:
        raise ValueError(f"Invalid padding: {given}")
    return padding
