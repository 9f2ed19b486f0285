"""Xception. Source: Chollet 1610.02357; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D, SeparableConv2D, add
from lamella.models import Model

_PUBLISHED = published(
    "xception",
    "fchollet/deep-learning-models/releases/download/v0.4",
    "0a58e3b7378bc2990ea3b43d5981f1f6",
    "b0042744bf5b25fce3cb969f33bebb97",
)


def _norm(x: Value, name: str | None = None) -> Value:
    return BatchNormalization(axis=channel_axis(-1), name=name)(x)


def _relu(x: Value, name: str) -> Value:
    return Activation("relu", name=f"{name}_act")(x)


def _conv(x: Value, channels: int, name: str, strides: tuple[int, int] = (1, 1)) -> Value:
    x = Conv2D(channels, (3, 3), strides=strides, use_bias=False, name=name)(x)
    return _relu(_norm(x, f"{name}_bn"), name)


def _separable(x: Value, channels: int, name: str) -> Value:
    x = SeparableConv2D(channels, (3, 3), padding="same", use_bias=False, name=name)(x)
    return _norm(x, f"{name}_bn")


def _halved(x: Value, block: int, channels: Sequence[int]) -> Value:
    """Two separable convolutions and max-pooling, which halves the sides, added to a projection of x."""
    residual = _norm(Conv2D(channels[-1], (1, 1), strides=(2, 2), padding="same", use_bias=False)(x))
    for i, c in enumerate(channels, 1):
        name = f"block{block}_sepconv{i}"
        # The input of block 2 is already the output of a ReLU.
        x = _separable(x if block == 2 and i == 1 else _relu(x, name), c, name)
    x = MaxPooling2D((3, 3), strides=(2, 2), padding="same", name=f"block{block}_pool")(x)
    return add([x, residual])


def Xception(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """For images of 299x299, 71x71 or more; see `Assembly` for the arguments."""
    assembly = Assembly("Xception", size=299, min_size=71, **locals())
    x = _conv(assembly.input, 32, "block1_conv1", strides=(2, 2))
    x = _conv(x, 64, "block1_conv2")
    for block, channels in ((2, 128), (3, 256), (4, 728)):
        x = _halved(x, block, (channels, channels))
    for block in range(5, 13):
        y = x
        for i in (1, 2, 3):
            name = f"block{block}_sepconv{i}"
            y = _separable(_relu(y, name), 728, name)
        x = add([y, x])
    x = _halved(x, 13, (728, 1024))
    for i, channels in ((1, 1536), (2, 2048)):
        name = f"block14_sepconv{i}"
        x = _relu(_separable(x, channels, name), name)
    return assembly.model(x, "xception", top=pooled("avg_pool", "predictions"), published=_PUBLISHED)
