"""MobileNetV2. Source: Sandler et al. 1801.04381; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, padding_before_stride, pooled, sides
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.mobilenet import default_side, side_of_weights
from lamella.applications.weights import published_without_hashes
from lamella.core.types import Value
from lamella.graph.symbolic import Symbolic
from lamella.layers import Add, BatchNormalization, Conv2D, DepthwiseConv2D, ReLU, ZeroPadding2D
from lamella.models import Model

_RELEASE = "JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1"
# Widths (alpha) and sides of images for which weights are published.
_ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)
_SIDES = (96, 128, 160, 192, 224)

# Stacks of blocks: channels, stride of the first block, number of blocks.
_STACKS = ((16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 4), (96, 1, 3), (160, 2, 3), (320, 1, 1))


def _rounded(channels: float) -> int:
    """Round to a multiple of 8 that is at least 8, and at least nine tenths of `channels`."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _norm(x: Value, name: str) -> Value:
    return BatchNormalization(axis=channel_axis(-1), epsilon=1e-3, momentum=0.999, name=name)(x)


def _relu6(x: Value, name: str) -> Value:
    return ReLU(6.0, name=name)(x)


def _block(x: Value, channels: int, stride: int, index: int) -> Value:
    """Expand to six times as many channels (not in the first block), convolve depthwise, project to `channels`.

    The result is added to x if the shapes are equal.
    """
    before = x.shape[channel_axis(-1)]
    name = f"block_{index}" if index else "expanded_conv"
    y = x
    if index:
        y = Conv2D(6 * before, 1, padding="same", use_bias=False, name=f"{name}_expand")(y)
        y = _relu6(_norm(y, f"{name}_expand_BN"), f"{name}_expand_relu")
    if stride == 2:
        y = ZeroPadding2D(padding_before_stride(y, 3), name=f"{name}_pad")(y)
    y = DepthwiseConv2D(
        3, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False, name=f"{name}_depthwise"
    )(y)
    y = _relu6(_norm(y, f"{name}_depthwise_BN"), f"{name}_depthwise_relu")
    y = Conv2D(channels, 1, padding="same", use_bias=False, name=f"{name}_project")(y)
    y = _norm(y, f"{name}_project_BN")
    return Add(name=f"{name}_add")([x, y]) if stride == 1 and before == channels else y


def MobileNetV2(
    input_shape: Sequence[int | None] | None = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """For images of 224x224, 32x32 or more; see `Assembly` for the other arguments.

    Keras publishes no hashes of these weights, so a download is not checked, with a warning.

    Args:
        alpha: Factor for all numbers of channels. Weights of ImageNet are published for 0.35, 0.5, 0.75, 1, 1.3 and 1.4.

    Raises:
        ValueError: See `Assembly`; also if input_shape and input_tensor have different sizes.
    """
    shape = input_shape
    if isinstance(input_tensor, Symbolic):
        if shape is not None and sides(shape) != sides(input_tensor.shape[1:]):
            raise ValueError(f"MobileNetV2: expected input_shape={shape} to be that of input_tensor, {input_tensor.shape[1:]}")
        shape = input_tensor.shape[1:]
    assembly = Assembly(
        "MobileNetV2",
        size=default_side(shape, _SIDES),
        min_size=32,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        kwargs=kwargs,
    )
    if weights == "imagenet" and alpha not in _ALPHAS:
        raise ValueError(
            f"If imagenet weights are being loaded, alpha can be one of {list(_ALPHAS)} only; MobileNetV2 got {alpha!r}"
        )
    side = side_of_weights("MobileNetV2", assembly.input_shape, _SIDES, weights)
    x = ZeroPadding2D(padding_before_stride(assembly.input, 3), name="Conv1_pad")(assembly.input)
    x = Conv2D(_rounded(32 * alpha), 3, strides=(2, 2), use_bias=False, name="Conv1")(x)
    x = _relu6(_norm(x, "bn_Conv1"), "Conv1_relu")
    index = 0
    for channels, stride, count in _STACKS:
        for i in range(count):
            x = _block(x, _rounded(int(channels * alpha)), 1 if i else stride, index)
            index += 1
    # As in the paper, the last layer does not become narrower with alpha < 1.
    x = Conv2D(_rounded(1280 * alpha) if alpha > 1.0 else 1280, 1, use_bias=False, name="Conv_1")(x)
    x = _relu6(_norm(x, "Conv_1_bn"), "out_relu")
    published = published_without_hashes(_RELEASE, f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{side}")
    return assembly.model(x, f"mobilenetv2_{alpha:.2f}_{side}", top=pooled(None, "Logits"), published=published)
