"""Parts that ResNet and ResNetV2 share. Source: He et al. 1512.03385, 1603.05027; keras_applications 1.0.8."""

from __future__ import annotations

from lamella.applications.assembly import Assembly, channel_axis, pooled
from lamella.applications.weights import Published
from lamella.core.types import Value
from lamella.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D
from lamella.models import Model

RELEASE = "keras-team/keras-applications/releases/download/resnet"


def norm(x: Value, name: str) -> Value:
    return BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")(x)


def norm_relu(x: Value, name: str) -> Value:
    return Activation("relu", name=f"{name}_relu")(norm(x, name))


def pad(x: Value, margin: int, name: str) -> Value:
    return ZeroPadding2D(((margin, margin), (margin, margin)), name=f"{name}_pad")(x)


def first_convolution(x: Value) -> Value:
    return Conv2D(64, 7, strides=2, name="conv1_conv")(pad(x, 3, "conv1"))


def first_pooling(x: Value) -> Value:
    return MaxPooling2D(3, strides=2, name="pool1_pool")(pad(x, 1, "pool1"))


def finished(assembly: Assembly, x: Value, name: str, published: Published) -> Model:
    """The model with the body up to the features x."""
    return assembly.model(x, name, top=pooled("avg_pool", "probs"), published=published, pool_name="{}_pool")
