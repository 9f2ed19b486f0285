"""Parts of InceptionV3 and InceptionResNetV2: parallel chains of convolutions. Source: Szegedy et al. 1512.00567."""

from __future__ import annotations

import functools
from collections.abc import Callable

from lamella.applications.assembly import channel_axis
from lamella.core.types import Value
from lamella.layers import Activation, AveragePooling2D, BatchNormalization, Conv2D, MaxPooling2D, concatenate

# A part of a network: a function from a tensor to a tensor that makes new layers.
Part = Callable[[Value], Value]


def conv(channels: int, rows: int, columns: int, strides: int = 1, padding: str = "same", *, name: str | None = None) -> Part:
    """A convolution without bias, batch normalization without scale, and ReLU, with the names `name`, `name`_bn, `name`_ac."""

    def part(x: Value) -> Value:
        x = Conv2D(channels, (rows, columns), strides=strides, padding=padding, use_bias=False, name=name)(x)
        x = BatchNormalization(axis=channel_axis(), scale=False, name=name and f"{name}_bn")(x)
        return Activation("relu", name=name and f"{name}_ac")(x)

    return part


def average(x: Value) -> Value:
    return AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x)


def pool(x: Value) -> Value:
    return MaxPooling2D((3, 3), strides=(2, 2))(x)


def chain(x: Value, *parts: Part) -> Value:
    """Apply the parts one after another."""
    return functools.reduce(lambda y, part: part(y), parts, x)


def mixed(name: str | None, *chains: tuple[Part, ...]) -> Part:
    """Parallel chains with the same input; their outputs are concatenated along the channels."""
    return lambda x: concatenate([chain(x, *parts) for parts in chains], axis=channel_axis(), name=name)
