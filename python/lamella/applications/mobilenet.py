"""MobileNet. Source: Howard et al. 1704.04861; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, sides
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.weights import published_without_hashes
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from lamella.models import Model

_RELEASE = "fchollet/deep-learning-models/releases/download/v0.6"
# Widths (alpha) and sides of images for which weights are published.
_ALPHAS = {0.25: "2_5", 0.50: "5_0", 0.75: "7_5", 1.0: "1_0"}
_SIDES = (128, 160, 192, 224)

# For each block, its channels, and whether it first halves the sides.
_BLOCKS = (
    (64, False), (128, True), (128, False), (256, True), (256, False), (512, True), (512, False), (512, False), (512, False),
    (512, False), (512, False), (1024, True), (1024, False),
)  # fmt: skip


def norm_relu6(x: Value, name: str) -> Value:
    return ReLU(6.0, name=f"{name}_relu")(BatchNormalization(axis=channel_axis(-1), name=f"{name}_bn")(x))


def _block(x: Value, channels: int, depth_multiplier: int, halves: bool, index: int) -> Value:
    """A depthwise convolution, which halves the sides if `halves`, then a pointwise one."""
    if halves:
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{index}")(x)
    x = DepthwiseConv2D(
        (3, 3),
        padding="valid" if halves else "same",
        depth_multiplier=depth_multiplier,
        strides=(2, 2) if halves else (1, 1),
        use_bias=False,
        name=f"conv_dw_{index}",
    )(x)
    x = norm_relu6(x, f"conv_dw_{index}")
    x = Conv2D(channels, (1, 1), padding="same", use_bias=False, name=f"conv_pw_{index}")(x)
    return norm_relu6(x, f"conv_pw_{index}")


def side_of_weights(network: str, shape: Sequence[int | None], published: Sequence[int], weights: object) -> int | None:
    """The side of the images for which the weights were trained that are loaded; without weights="imagenet" the number of rows.

    If no weights are published for this shape, it is 224, with a warning.
    """
    rows, columns = sides(shape)
    if weights != "imagenet" or (rows == columns and rows in published):
        return rows
    warn(
        f"{network}: `input_shape` is undefined or non-square, or `rows` is not in {list(published)}. "
        "Weights for input shape (224, 224) will be loaded as the default."
    )
    return 224


def default_side(shape: Sequence[int | None] | None, published: Sequence[int]) -> int:
    """The side of the shape if weights are published for it, else 224."""
    rows, columns = sides(shape) if shape is not None and len(shape) == 3 else (None, None)
    return rows if rows is not None and rows == columns and rows in published else 224


def MobileNet(
    input_shape: Sequence[int | None] | None = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
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
        alpha: Factor for all numbers of channels. Weights of ImageNet are published for 0.25, 0.5, 0.75 and 1.
        depth_multiplier: Number of output channels of a depthwise convolution for each input channel; 1 for ImageNet's weights.
        dropout: Rate of the dropout before the classifier.

    Raises:
        ValueError: See `Assembly`; also if no weights of ImageNet are published for alpha or depth_multiplier.
    """
    assembly = Assembly(
        "MobileNet",
        size=default_side(input_shape, _SIDES),
        min_size=32,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        kwargs=kwargs,
    )
    if weights == "imagenet" and depth_multiplier != 1:
        raise ValueError(
            f"If imagenet weights are being loaded, depth multiplier must be 1; MobileNet got {depth_multiplier!r}"
        )
    if weights == "imagenet" and alpha not in _ALPHAS:
        raise ValueError(
            f"If imagenet weights are being loaded, alpha can be one of {sorted(_ALPHAS)} only; MobileNet got {alpha!r}"
        )
    side = side_of_weights("MobileNet", assembly.input_shape, _SIDES, weights)

    def top(x: Value, classes: int) -> Value:
        channels = int(1024 * alpha)
        x = GlobalAveragePooling2D()(x)
        x = Reshape((1, 1, channels) if channel_axis() == 3 else (channels, 1, 1), name="reshape_1")(x)
        x = Dropout(dropout, name="dropout")(x)
        x = Conv2D(classes, (1, 1), padding="same", name="conv_preds")(x)
        x = Reshape((classes,), name="reshape_2")(x)
        return Activation("softmax", name="act_softmax")(x)

    x = ZeroPadding2D(padding=((0, 1), (0, 1)), name="conv1_pad")(assembly.input)
    x = norm_relu6(Conv2D(int(32 * alpha), (3, 3), strides=(2, 2), use_bias=False, name="conv1")(x), "conv1")
    for index, (channels, halves) in enumerate(_BLOCKS, 1):
        x = _block(x, int(channels * alpha), depth_multiplier, halves, index)
    published = published_without_hashes(_RELEASE, f"mobilenet_{_ALPHAS.get(alpha)}_{side}_tf")
    return assembly.model(x, f"mobilenet_{alpha:.2f}_{side}", top=top, published=published)
