"""The body and top that VGG16 and VGG19 share. Source: Simonyan & Zisserman 1409.1556; keras_applications 1.0.8."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.applications.assembly import Assembly
from lamella.applications.weights import Published
from lamella.core.types import Value
from lamella.layers import Conv2D, Dense, Flatten, MaxPooling2D
from lamella.models import Model

RELEASE = "fchollet/deep-learning-models/releases/download/v0.1"
# Channels of the five blocks.
_CHANNELS = (64, 128, 256, 512, 512)


def vgg(assembly: Assembly, name: str, depths: Sequence[int], published: Published) -> Model:
    """Blocks of `depths` convolutions of 3x3. Each block ends with max-pooling."""
    x = assembly.input
    for block, (channels, depth) in enumerate(zip(_CHANNELS, depths), 1):
        for i in range(1, depth + 1):
            x = Conv2D(channels, (3, 3), activation="relu", padding="same", name=f"block{block}_conv{i}")(x)
        x = MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool")(x)
    return assembly.model(x, name, top=_top, published=published)


def _top(x: Value, classes: int) -> Value:
    x = Flatten(name="flatten")(x)
    x = Dense(4096, activation="relu", name="fc1")(x)
    x = Dense(4096, activation="relu", name="fc2")(x)
    return Dense(classes, activation="softmax", name="predictions")(x)
