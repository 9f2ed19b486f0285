"""ResNet50, ResNet101 and ResNet152, with biases. Source: He et al. 1512.03385; keras_applications 1.0.8.

This ResNet50 differs from `resnet50.ResNet50`, which `keras.applications` lists, in its names, epsilon and weights.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications import resnet as resnet  # Keras's module also has this name
from lamella.applications.assembly import Assembly
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_caffe as preprocess_input  # noqa: F401
from lamella.applications.resnet_common import RELEASE, finished, first_convolution, first_pooling, norm, norm_relu
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.layers import Activation, Add, Conv2D
from lamella.models import Model

_PUBLISHED = {
    "resnet50": published("resnet50", RELEASE, "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": published("resnet101", RELEASE, "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": published("resnet152", RELEASE, "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
}


def _block(x: Value, channels: int, name: str, stride: int, projects: bool) -> Value:
    """A bottleneck of `channels`, added to x or, if the shape changes, to a projection of x."""
    shortcut = norm(Conv2D(4 * channels, 1, strides=stride, name=f"{name}_0_conv")(x), f"{name}_0") if projects else x
    x = norm_relu(Conv2D(channels, 1, strides=stride, name=f"{name}_1_conv")(x), f"{name}_1")
    x = norm_relu(Conv2D(channels, 3, padding="SAME", name=f"{name}_2_conv")(x), f"{name}_2")
    x = norm(Conv2D(4 * channels, 1, name=f"{name}_3_conv")(x), f"{name}_3")
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _resnet(assembly: Assembly, depths: Sequence[int]) -> Model:
    """Four stacks of `depths` blocks. The first block of a stack halves the sides, except in the first stack."""
    x = first_pooling(norm_relu(first_convolution(assembly.input), "conv1"))
    for stack, depth in enumerate(depths):
        for i in range(depth):
            stride = 2 if stack and not i else 1
            x = _block(x, 64 << stack, f"conv{stack + 2}_block{i + 1}", stride, projects=not i)
    name = assembly.network.lower()
    return finished(assembly, x, name, _PUBLISHED[name])


def ResNet50(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """50 layers with weights for images of 224x224, 32x32 or more; see `Assembly` for the arguments."""
    return _resnet(Assembly("ResNet50", size=224, min_size=32, **locals()), (3, 4, 6, 3))


def ResNet101(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """101 layers with weights; otherwise the same as `ResNet50`."""
    return _resnet(Assembly("ResNet101", size=224, min_size=32, **locals()), (3, 4, 23, 3))


def ResNet152(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """152 layers with weights; otherwise the same as `ResNet50`."""
    return _resnet(Assembly("ResNet152", size=224, min_size=32, **locals()), (3, 8, 36, 3))
