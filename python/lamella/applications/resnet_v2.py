"""ResNet50V2, ResNet101V2 and ResNet152V2, with normalization before each convolution.

Source: He et al. 1603.05027; keras_applications 1.0.8.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications import resnet_v2 as resnet_v2  # Keras's module also has this name
from lamella.applications.assembly import Assembly
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.resnet_common import RELEASE, finished, first_convolution, first_pooling, norm_relu, pad
from lamella.applications.weights import published
from lamella.core.types import Value
from lamella.layers import Add, Conv2D, MaxPooling2D
from lamella.models import Model

_PUBLISHED = {
    "resnet50v2": published("resnet50v2", RELEASE, "3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    "resnet101v2": published("resnet101v2", RELEASE, "6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152v2": published("resnet152v2", RELEASE, "a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
}


def _block(x: Value, channels: int, name: str, stride: int, projects: bool) -> Value:
    """Normalization and a bottleneck of `channels`, added to x or, if the channels change, to a projection of x."""
    before = norm_relu(x, f"{name}_preact")
    if projects:
        shortcut = Conv2D(4 * channels, 1, strides=stride, name=f"{name}_0_conv")(before)
    else:
        shortcut = MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = norm_relu(Conv2D(channels, 1, use_bias=False, name=f"{name}_1_conv")(before), f"{name}_1")
    x = pad(x, 1, f"{name}_2")
    x = norm_relu(Conv2D(channels, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x), f"{name}_2")
    x = Conv2D(4 * channels, 1, name=f"{name}_3_conv")(x)
    return Add(name=f"{name}_out")([shortcut, x])


def _resnet_v2(assembly: Assembly, depths: Sequence[int]) -> Model:
    """Four stacks of `depths` blocks. The last block of a stack halves the sides, except in the last stack."""
    x = first_pooling(first_convolution(assembly.input))
    for stack, depth in enumerate(depths):
        for i in range(depth):
            stride = 2 if i == depth - 1 and stack < len(depths) - 1 else 1
            x = _block(x, 64 << stack, f"conv{stack + 2}_block{i + 1}", stride, projects=not i)
    name = assembly.network.lower()
    return finished(assembly, norm_relu(x, "post"), name, _PUBLISHED[name])


def ResNet50V2(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """50 layers with weights for images of 224x224, 32x32 or more; see `Assembly` for the arguments."""
    return _resnet_v2(Assembly("ResNet50V2", size=224, min_size=32, **locals()), (3, 4, 6, 3))


def ResNet101V2(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """101 layers with weights; otherwise the same as `ResNet50V2`."""
    return _resnet_v2(Assembly("ResNet101V2", size=224, min_size=32, **locals()), (3, 4, 23, 3))


def ResNet152V2(
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """152 layers with weights; otherwise the same as `ResNet50V2`."""
    return _resnet_v2(Assembly("ResNet152V2", size=224, min_size=32, **locals()), (3, 8, 36, 3))
