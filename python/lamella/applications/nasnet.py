"""NASNetLarge and NASNetMobile. Source: Zoph et al. 1707.07012; keras_applications 1.0.8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lamella.applications.assembly import Assembly, padding_before_stride, pooled
from lamella.applications.imagenet_utils import decode_predictions as decode_predictions
from lamella.applications.imagenet_utils import preprocess_tf as preprocess_input  # noqa: F401
from lamella.applications.weights import Published, WeightFile
from lamella.core.config import image_data_format, set_image_data_format
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.symbolic import Symbolic
from lamella.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Cropping2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
    add,
    concatenate,
)
from lamella.models import Model

_RELEASE = "titu1994/Keras-NASNet/releases/download/v1.2"
_PUBLISHED: dict[str, Published] = {
    "NASNetMobile": {
        True: WeightFile(_RELEASE, "NASNet-mobile.h5", "020fb642bf7360b370c678b08e0adf61", "nasnet_mobile.h5"),
        False: WeightFile(_RELEASE, "NASNet-mobile-no-top.h5", "1ed92395b5b598bdda52abe5c0dbfd63", "nasnet_mobile_no_top.h5"),
    },
    "NASNetLarge": {
        True: WeightFile(_RELEASE, "NASNet-large.h5", "11577c9a518f0070763c2b964a382f17", "nasnet_large.h5"),
        False: WeightFile(_RELEASE, "NASNet-large-no-top.h5", "d81d89dc07e6e56530c4e77faddd61b5", "nasnet_large_no_top.h5"),
    },
}


def _norm(x: Value, name: str) -> Value:
    return BatchNormalization(axis=-1, momentum=0.9997, epsilon=1e-3, name=name)(x)


def _conv(x: Value, channels: int, name: str) -> Value:
    return Conv2D(channels, (1, 1), padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _separable(x: Value, channels: int, size: int, name: str, strides: int = 1) -> Value:
    """ReLU, a separable convolution and normalization, twice. The first convolution has the strides."""
    x = Activation("relu")(x)
    if strides == 2:
        x = ZeroPadding2D(padding_before_stride(x, size), name=f"separable_conv_1_pad_{name}")(x)
    for i, step, padding in ((1, strides, "valid" if strides == 2 else "same"), (2, 1, "same")):
        if i == 2:
            x = Activation("relu")(x)
        x = SeparableConv2D(
            channels,
            (size, size),
            strides=(step, step),
            padding=padding,
            use_bias=False,
            name=f"separable_conv_{i}_{name}",
        )(x)
        x = _norm(x, f"separable_conv_{i}_bn_{name}")
    return x


def _halved(x: Value, channels: int, name: str) -> Value:
    """Halve the sides: one half of the channels is computed from the pixels at even places, the other from those at odd places."""
    x = Activation("relu", name=f"adjust_relu_1_{name}")(x)
    even = AveragePooling2D((1, 1), strides=(2, 2), name=f"adjust_avg_pool_1_{name}")(x)
    even = _conv(even, channels // 2, f"adjust_conv_1_{name}")
    odd = Cropping2D(cropping=((1, 0), (1, 0)))(ZeroPadding2D(padding=((0, 1), (0, 1)))(x))
    odd = AveragePooling2D((1, 1), strides=(2, 2), name=f"adjust_avg_pool_2_{name}")(odd)
    odd = _conv(odd, channels // 2, f"adjust_conv_2_{name}")
    return _norm(concatenate([even, odd], axis=-1), f"adjust_bn_{name}")


def _adjusted(before: Symbolic | None, x: Symbolic, channels: int, name: str) -> Value:
    """The output of the cell before the last one, converted to the sides of x and to `channels`."""
    if before is None:
        return x
    if before.shape[2] != x.shape[2]:
        return _halved(before, channels, name)
    if before.shape[-1] != channels:
        return _norm(_conv(Activation("relu")(before), channels, f"adjust_conv_projection_{name}"), f"adjust_bn_{name}")
    return before


def _average(x: Value, name: str) -> Value:
    return AveragePooling2D((3, 3), strides=(1, 1), padding="same", name=name)(x)


def _normal_cell(x: Value, before: Symbolic | None, channels: int, name: str) -> Value:
    """Concatenate the adjusted output of the cell before the last one with five sums of two paths each."""
    p = _adjusted(before, x, channels, name)
    h = _norm(_conv(Activation("relu")(x), channels, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")
    left, right = f"normal_left{{}}_{name}".format, f"normal_right{{}}_{name}".format

    def total(i: int, a: Value, b: Value) -> Value:
        return add([a, b], name=f"normal_add_{i}_{name}")

    x1 = total(1, _separable(h, channels, 5, left(1)), _separable(p, channels, 3, right(1)))
    x2 = total(2, _separable(p, channels, 5, left(2)), _separable(p, channels, 3, right(2)))
    x3 = total(3, _average(h, left(3)), p)
    x4 = total(4, _average(p, left(4)), _average(p, right(4)))
    x5 = total(5, _separable(h, channels, 3, left(5)), h)
    return concatenate([p, x1, x2, x3, x4, x5], axis=-1, name=f"normal_concat_{name}")


def _reduction_cell(x: Value, before: Symbolic | None, channels: int, name: str) -> Value:
    """Halve the sides, and concatenate four sums of two paths each."""
    p = _adjusted(before, x, channels, name)
    h = _norm(_conv(Activation("relu")(x), channels, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    padded = ZeroPadding2D(padding_before_stride(h, 3), name=f"reduction_pad_1_{name}")(h)
    left, right = f"reduction_left{{}}_{name}".format, f"reduction_right{{}}_{name}".format

    def total(label: str | None, a: Value, b: Value) -> Value:
        return add([a, b], name=label and f"reduction_{label}_{name}")

    def largest(label: str) -> Value:
        return MaxPooling2D((3, 3), strides=(2, 2), name=label)(padded)

    x1 = total("add_1", _separable(h, channels, 5, left(1), 2), _separable(p, channels, 7, right(1), 2))
    x2 = total("add_2", largest(left(2)), _separable(p, channels, 7, right(2), 2))
    x3 = AveragePooling2D((3, 3), strides=(2, 2), name=left(3))(padded)
    x3 = total("add3", x3, _separable(p, channels, 5, right(3), 2))
    x4 = total(None, x2, _average(x1, left(4)))
    x5 = total("add4", _separable(x1, channels, 3, left(4)), largest(right(5)))
    return concatenate([x2, x3, x4, x5], axis=-1, name=f"reduction_concat_{name}")


def _nasnet(network: str, *, size: int, channels: int, stem: int, count: int, skips: bool, arguments: dict[str, Any]) -> Model:
    """Three stacks of normal cells, with reduction cells before each. The inputs of a cell are the two cells before it.

    Args:
        network: Name of the network's function.
        size: Sides of the images, also without a top.
        channels: Channels of the cells in the first stack. The second and third stack have twice and four times as many.
        stem: Channels of the first convolution.
        count: Number of cells in a stack.
        skips: Whether the second input of a stack's first cell is the cell two places before the reduction cell, instead of the
            cell directly before it.
        arguments: The arguments of the network's function.
    """
    shape = arguments["input_shape"]
    if arguments["weights"] == "imagenet" and shape is not None and None in shape:
        raise ValueError(
            "When specifying the input shape of a NASNet and loading `ImageNet` weights, the input_shape argument must be "
            f"static (no None entries). Got: `input_shape={shape}`."
        )
    assembly = Assembly(network, size=size, min_size=32, static=True, **arguments)
    x = Conv2D(stem, (3, 3), strides=(2, 2), use_bias=False, kernel_initializer="he_normal", name="stem_conv1")(assembly.input)
    x = _norm(x, "stem_bn1")
    x, before = _reduction_cell(x, None, channels // 4, "stem_1"), x
    x, before = _reduction_cell(x, before, channels // 2, "stem_2"), x
    for stack in range(3):
        if stack:
            reduced = _reduction_cell(x, before, channels << stack, f"reduce_{stack * count}")
            x, before = reduced, before if skips else x
        for i in range(count):
            # In the published names no cell has the number of the first reduction cell, but one has that of the second.
            name = str(stack * count + i + min(stack, 1))
            x, before = _normal_cell(x, before, channels << stack, name), x
    x = Activation("relu")(x)
    return assembly.model(x, "NASNet", top=pooled(None, "predictions"), published=_PUBLISHED[network])


def _channels_last(network: str, **options: Any) -> Model:
    """Build the network with channels_last, also if the default is channels_first."""
    if image_data_format() == "channels_last":
        return _nasnet(network, **options)
    warn(
        f"{network} is only available for the input data format channels_last (width, height, channels), and not for "
        "channels_first, the default here; the model that is returned expects channels_last"
    )
    set_image_data_format("channels_last")
    try:
        return _nasnet(network, **options)
    finally:
        set_image_data_format("channels_first")


def NASNetLarge(
    input_shape: Sequence[int | None] | None = None,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """NASNet-A (6 @ 4032), for images of 331x331, 32x32 or more, channels_last only; see `Assembly` for the arguments."""
    return _channels_last("NASNetLarge", size=331, channels=168, stem=96, count=6, skips=True, arguments=locals())


def NASNetMobile(
    input_shape: Sequence[int | None] | None = None,
    include_top: bool = True,
    weights: str | os.PathLike[str] | None = "imagenet",
    input_tensor: Value = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Model:
    """NASNet-A (4 @ 1056), for images of 224x224, 32x32 or more, channels_last only; see `Assembly` for the arguments."""
    return _channels_last("NASNetMobile", size=224, channels=44, stem=32, count=4, skips=False, arguments=locals())
