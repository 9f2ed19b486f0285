"""What constructors of layers are given becomes what the layers work with, by the argument's name.

A constructor stores each argument under its own name and does nothing else; `KernelLayer` resolves what it stored, so that
`kernel_initializer="he_normal"`, `activation="relu"` or `strides=2` mean the same in all layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella import activations, constraints, initializers, regularizers
from lamella.core.checks import check_number
from lamella.core.config import normalize_data_format
from lamella.core.shapes import Dim, Shape, as_axis, normalize_padding, normalize_tuple
from lamella.core.types import Value
from lamella.core.window import Window
from lamella.graph.layer import Layer
from lamella.layers.data_format import channel_axis, spatial, with_spatial

# By the end of the name: kernel_initializer, recurrent_activation, ...
_KINDS: dict[str, Callable[[Any], Any]] = {
    "initializer": initializers.get,
    "init": initializers.get,  # in Keras 1
    "regularizer": regularizers.get,
    "constraint": constraints.get,
    "activation": activations.get,
}
# One number for each axis of a window.
_WINDOWS = {"kernel_size", "pool_size", "strides", "dilation_rate", "size"}
_COUNTS = {"units", "filters", "depth_multiplier", "n", "output_dim", "nb_feature"}
_NUMBERS = {"momentum", "epsilon", "mask_value", "alpha", "theta", "negative_slope", "threshold", "stddev", "rate"}


class KernelLayer(Layer):
    """Base of layers whose arguments are resolved by their names, after each constructor of a self-contained class.

    Attributes:
        rank: Number of axes that windows move on, for layers that have windows.
        fuses: Names of the activations that the kernel of this layer computes with the bias.
        paddings: What the argument `padding` may be.
    """

    rank: int
    fuses: tuple[str, ...] = ()
    paddings: tuple[str, ...] = ("valid", "same")

    # Any: a constructor stores what it was given, and `resolve` puts in its place what it means.
    activation: Any
    axis: Any
    data_format: Any
    dilation_rate: Any
    kernel_size: Any
    padding: Any
    pool_size: Any
    strides: Any

    def resolve(self, names: Sequence[str]) -> None:
        """Turn the stored arguments of these names into what they mean.

        Raises:
            ValueError: An argument is not understood; the message names the layer and the argument.
        """
        for name in names:
            given = getattr(self, name)
            kind = _KINDS.get(name.rpartition("_")[2])
            if kind is not None:
                setattr(self, name, kind(given))
            elif name in _COUNTS:
                setattr(self, name, positive(given, name, self.name))
            elif name in _WINDOWS:
                setattr(self, name, normalize_tuple(given, self.rank, name))
            elif name == "data_format":
                # None is the default of the process, also where Keras 2.2.5 forgets to look (Flatten).
                self.data_format = normalize_data_format(given)
            elif name == "padding":
                self.padding = normalize_padding(given, self.paddings)
            elif name == "axis":
                self.axis = as_axis(given)
            elif name in _NUMBERS:
                check_number(given, f"Layer {self.name}, {name}")

    def known_channels(self, input_shape: Shape) -> int:
        """The channels of the input. Raises ValueError if they are not known."""
        channels = input_shape[channel_axis(self.data_format)]
        if channels is None:
            raise ValueError(
                f"Layer {self.name}: the channel dimension of the inputs should be defined. Found `None` in {input_shape}."
            )
        return channels

    def shape_of_windows(self, input_shape: Shape, window: Window, channels: Dim, what: str = "kernel") -> Shape:
        """The output shape of windows over the input.

        Args:
            channels: Of the output.
            what: How the error calls the window.

        Raises:
            ValueError: No window fits.
        """
        sizes = window.lengths(spatial(input_shape, self.data_format))
        if 0 in sizes:
            raise ValueError(
                f"Layer {self.name}: the {what} {window.size} is larger than the input {input_shape}; the output would be empty"
            )
        return with_spatial(input_shape[0], sizes, channels, self.data_format)

    def split_activation(self) -> tuple[str, Callable[[Value], Value] | None]:
        """(the name of what the kernel computes with the bias, what is left to call after it)."""
        for name in self.fuses:
            if self.activation is getattr(activations, name):
                return name, None
        return "linear", None if self.activation is activations.linear else self.activation


def positive(value: Any, what: str, who: str) -> int:
    """A count as a positive int. Raises ValueError otherwise."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number != value or number < 1:
        raise ValueError(f"Layer {who}: expected {what} to be a positive integer, got {value!r}")
    return number
