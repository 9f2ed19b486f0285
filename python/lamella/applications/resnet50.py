"""The ResNet50 that Keras has had since its first release of networks. Source: He et al. 1512.03385; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, channel_axis, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_input as preprocess_input
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D, add
from lamella.models import Model

_PUBLISHED = published(
    "resnet50",
    "fchollet/deep-learning-models/releases/download/v0.2",
    "a7b3fe01876f51b976af0dea6bc144eb",
    "a268eb855778b3df3c7506639542a6af",
)


def _conv_norm(x: Value, channels: int, size: int, block: str, branch: str, **options: Any) -> Value:
    name = f"{block}_branch{branch}"
    x = Conv2D(channels, (size, size), kernel_initializer="he_normal", name=f"res{name}", **options)(x)
    return BatchNormalization(axis=channel_axis(), name=f"bn{name}")(x)


def _block(x: Value, channels: int, block: str, strides: tuple[int, int] | None) -> Value:
    """A bottleneck of `channels`, added to x or, with strides, to a projection of x."""
    step = strides or (1, 1)
    y = Activation("relu")(_conv_norm(x, channels, 1, block, "2a", strides=step))
    y = Activation("relu")(_conv_norm(y, channels, 3, block, "2b", padding="same"))
    y = _conv_norm(y, 4 * channels, 1, block, "2c")
    shortcut = x if strides is None else _conv_norm(x, 4 * channels, 1, block, "1", strides=step)
    return Activation("relu")(add([y, shortcut]))


def ResNet50(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """50 layers with weights for images of 224x224, 32x32 or more; see `Assembly` for the arguments.

    Without top and pooling it warns, as Keras does, because before 2.2.0 the network ended with an average over 7x7.
    """
    assembly = Assembly("ResNet50", size=224, min_size=32, **locals())
    x = ZeroPadding2D(padding=(3, 3), name="conv1_pad")(assembly.input)
    x = Conv2D(64, (7, 7), strides=(2, 2), kernel_initializer="he_normal", name="conv1")(x)
    x = Activation("relu")(BatchNormalization(axis=channel_axis(), name="bn_conv1")(x))
    x = ZeroPadding2D(padding=(1, 1), name="pool1_pad")(x)
    x = MaxPooling2D((3, 3), strides=(2, 2))(x)
    for stage, depth in enumerate((3, 4, 6, 3), 2):
        for i in range(depth):
            strides = None if i else (1, 1) if stage == 2 else (2, 2)
            x = _block(x, 16 << stage, f"{stage}{'abcdef'[i]}", strides)
    if not include_top and pooling is None:
        warn("The output shape of `ResNet50(include_top=False)` has been changed since Keras 2.2.0.")
    return assembly.model(x, "resnet50", top=pooled("avg_pool", "fc1000"), published=_PUBLISHED)
