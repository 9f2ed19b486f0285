"""DenseNet121, DenseNet169 and DenseNet201. Source: Huang et al. 1608.06993; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_torch as preprocess_input  # noqa: F401
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.layers import Activation, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, MaxPooling2D, ZeroPadding2D
from lamella.models import Model

# Channels that each layer adds.
_GROWTH = 32

_RELEASE = "keras-team/keras-applications/releases/download/densenet"
_PUBLISHED = {
    "densenet121": published("densenet121", _RELEASE, "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    "densenet169": published("densenet169", _RELEASE, "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    "densenet201": published("densenet201", _RELEASE, "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
}


def _norm_relu(x: Value, norm: str, relu: str) -> Value:
    return Activation("relu", name=relu)(BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=norm)(x))


def _layer(x: Value, name: str) -> Value:
    """Concatenate _GROWTH new channels to x, which are computed from all channels of x."""
    y = _norm_relu(x, f"{name}_0_bn", f"{name}_0_relu")
    y = Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(y)
    y = _norm_relu(y, f"{name}_1_bn", f"{name}_1_relu")
    y = Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(y)
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, y])


def _transition(x: Value, name: str) -> Value:
    """Halve the channels and the sides."""
    x = _norm_relu(x, f"{name}_bn", f"{name}_relu")
    x = Conv2D(x.shape[channel_axis()] // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _densenet(assembly: Assembly, depths: Sequence[int]) -> Model:
    """Four dense blocks of `depths` layers, with transitions between them."""
    x = ZeroPadding2D(padding=((3, 3), (3, 3)))(assembly.input)
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x)
    x = _norm_relu(x, "conv1/bn", "conv1/relu")
    x = ZeroPadding2D(padding=((1, 1), (1, 1)))(x)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for block, depth in enumerate(depths, 2):
        for i in range(1, depth + 1):
            x = _layer(x, f"conv{block}_block{i}")
        if block < len(depths) + 1:
            x = _transition(x, f"pool{block}")
    x = _norm_relu(x, "bn", "relu")
    name = assembly.network.lower()
    top = pooled("avg_pool", "fc1000")
    return assembly.model(x, name, top=top, published=_PUBLISHED[name], pool_name="{}_pool")


def DenseNet121(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """121 layers with weights for images of 224x224, 32x32 or more; see `Assembly` for the arguments."""
    return _densenet(Assembly("DenseNet121", size=224, min_size=32, **locals()), (6, 12, 24, 16))


def DenseNet169(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """169 layers with weights; otherwise the same as `DenseNet121`."""
    return _densenet(Assembly("DenseNet169", size=224, min_size=32, **locals()), (6, 12, 32, 32))


def DenseNet201(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """201 layers with weights; otherwise the same as `DenseNet121`."""
    return _densenet(Assembly("DenseNet201", size=224, min_size=32, **locals()), (6, 12, 48, 32))
