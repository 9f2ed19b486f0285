"""Resolves the arguments of layers' constructors by their names.

A constructor only stores each argument under its own name. Then `KernelLayer` converts the stored values, so that
`kernel_initializer="he_normal"`, `activation="relu"` or `strides=2` have the same meaning in all layers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella import activations, constraints, initializers, regularizers
from lamella.core.checks import check_number
from lamella.core.config import normalize_data_format
from lamella.core.shapes import Dim, Shape, as_axis, normalize_padding, normalize_tuple
from lamella.core.types import Value
from lamella.core.user_array import for_user, from_user, of_lamella
from lamella.core.window import Window
from lamella.graph.layer import Layer
from lamella.graph.run_losses import RunLosses
from lamella.graph.symbolic import Node, Symbolic, forget_reader, node_of
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


# The types of activations in graphs of TensorFlow.
_OPERATIONS = {name: name.capitalize() for name in ("elu", "relu", "sigmoid", "softmax", "softplus", "softsign", "tanh")} | {
    "exponential": "Exp"
}


def operation_of(activation: Any) -> str | None:
    """The type of an activation of lamella in graphs of TensorFlow; None for others, and for those of several operations."""
    return _OPERATIONS.get(getattr(activation, "__name__", "")) if of_lamella(activation) else None


def activated(activation: Any, x: Value) -> Value:
    """activation(x). A script's function gets an array that its `x *= y` leaves as it is, and that numbers of NumPy, as in
    np.sqrt(2 / np.pi) * x, do not make float64.
    """
    return activation(x) if of_lamella(activation) else from_user(activation(for_user(x)))


class KernelLayer(Layer):
    """Base class of layers whose arguments are resolved by their names, after each constructor of a self-contained class.

    The arguments below have the same meaning in all layers that have them.

    Args:
        units: Number of outputs: the last axis of the output.
        filters: Number of output channels.
        kernel_size: Size of the window: an int, or an int for each axis.
        pool_size: Size of the window: an int, or an int for each axis.
        strides: Step of the window: an int, or an int for each axis. None, for pooling, is pool_size.
        dilation_rate: Distance of neighbouring elements of the window: an int, or an int for each axis.
        padding: "valid" for no padding, "same" for as many windows as input elements divided by strides.
        depth_multiplier: Number of output channels for each input channel of a depthwise convolution.
        data_format: "channels_last" or "channels_first"; None for the default of the process.
        size: Number of repetitions: an int, or an int for each axis.
        activation: Activation function: a name or a function; None for none.
        recurrent_activation: Activation function of the gates: a name or a function.
        use_bias: Whether a bias is added.
        activity_regularizer: Regularizer of the outputs: a name, a config or an object; None for none.
        kernel_initializer: Initializer of the kernel: a name, a config or an object.
        kernel_regularizer: Regularizer of the kernel: a name, a config or an object; None for none.
        kernel_constraint: Constraint of the kernel: a name, a config or an object; None for none.
        bias_initializer: Initializer of the bias: a name, a config or an object.
        bias_regularizer: Regularizer of the bias: a name, a config or an object; None for none.
        bias_constraint: Constraint of the bias: a name, a config or an object; None for none.
        recurrent_initializer: Initializer of the recurrent kernel: a name, a config or an object.
        recurrent_regularizer: Regularizer of the recurrent kernel: a name, a config or an object; None for none.
        recurrent_constraint: Constraint of the recurrent kernel: a name, a config or an object; None for none.
        depthwise_initializer: Initializer of the depthwise kernel: a name, a config or an object.
        depthwise_regularizer: Regularizer of the depthwise kernel: a name, a config or an object; None for none.
        depthwise_constraint: Constraint of the depthwise kernel: a name, a config or an object; None for none.
        pointwise_initializer: Initializer of the pointwise kernel: a name, a config or an object.
        pointwise_regularizer: Regularizer of the pointwise kernel: a name, a config or an object; None for none.
        pointwise_constraint: Constraint of the pointwise kernel: a name, a config or an object; None for none.
        beta_initializer: Initializer of beta: a name, a config or an object.
        beta_regularizer: Regularizer of beta: a name, a config or an object; None for none.
        beta_constraint: Constraint of beta: a name, a config or an object; None for none.
        gamma_initializer: Initializer of gamma: a name, a config or an object.
        gamma_regularizer: Regularizer of gamma: a name, a config or an object; None for none.
        gamma_constraint: Constraint of gamma: a name, a config or an object; None for none.
        embeddings_initializer: Initializer of the table: a name, a config or an object.
        embeddings_regularizer: Regularizer of the table: a name, a config or an object; None for none.
        embeddings_constraint: Constraint of the table: a name, a config or an object; None for none.
        alpha_initializer: Initializer of alpha: a name, a config or an object.
        alpha_regularizer: Regularizer of alpha: a name, a config or an object; None for none.
        alpha_constraint: Constraint of alpha: a name, a config or an object; None for none.

    Attributes:
        rank: Number of axes on which windows move, for layers with windows.
        fuses: Names of the activations that the kernel of this layer computes together with the bias.
        paddings: The accepted values of `padding`.
    """

    rank: int
    takes_lists = False
    fuses: tuple[str, ...] = ()
    paddings: tuple[str, ...] = ("valid", "same")

    # Any: a constructor stores the given value, and `resolve` replaces it by the resolved one.
    activation: Any
    axis: Any
    data_format: Any
    dilation_rate: Any
    kernel_size: Any
    padding: Any
    pool_size: Any
    strides: Any

    def resolve(self, names: Sequence[str]) -> None:
        """Resolve the stored arguments of these names.

        Raises:
            ValueError: An argument has no valid value. The message names the layer and the argument.
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
                # None is the default of the process, also for Flatten, where Keras 2.2.5 does not use it.
                self.data_format = normalize_data_format(given)
            elif name == "padding":
                self.padding = normalize_padding(given, self.paddings)
            elif name == "axis":
                self.axis = as_axis(given)
            elif name in _NUMBERS:
                check_number(given, f"Layer {self.name}, {name}")

    def known_channels(self, input_shape: Shape) -> int:
        """The number of channels of the input with this input_shape. Raises ValueError if it is not known."""
        channels = input_shape[channel_axis(self.data_format)]
        if channels is None:
            raise ValueError(
                f"Layer {self.name}: the channel dimension of the inputs should be defined. Found `None` in {input_shape}."
            )
        return channels

    def shape_of_windows(self, input_shape: Shape, window: Window, channels: Dim, what: str = "kernel") -> Shape:
        """The output shape of windows over the input.

        Args:
            input_shape: Shape of the input, the batch axis included.
            window: The window.
            channels: Number of channels of the output.
            what: The name of the window, for the message.

        Raises:
            ValueError: No window fits into the input.
        """
        sizes = window.lengths(spatial(input_shape, self.data_format))
        if 0 in sizes:
            raise ValueError(
                f"Layer {self.name}: the {what} {window.size} is larger than the input {input_shape}; the output would be empty"
            )
        return with_spatial(input_shape[0], sizes, channels, self.data_format)

    def split_activation(self) -> tuple[str, Callable[[Value], Value] | None]:
        """The name of the activation that the kernel computes, and the function to call after the kernel, or None."""
        for name in self.fuses:
            if self.activation is getattr(activations, name):
                return name, None
        if self.activation is activations.linear:
            return "linear", None
        own = of_lamella(self.activation)
        return "linear", self.activation if own else functools.partial(activated, self.activation)


class ActivatedLayer(KernelLayer):
    """Base class of layers whose call ends with the activation.

    Their `build` splits the activation into the name that the kernel computes and the function to call after it. For a script's
    subclass whose own `build` replaces this one, as a layer with tied weights has it, they are split at the first call.
    """

    @functools.cached_property
    def _fused(self) -> str:
        return self.split_activation()[0]

    @functools.cached_property
    def _after(self) -> Callable[[Value], Value] | None:
        return self.split_activation()[1]

    def activation_op(self, node: Node) -> tuple[str, Symbolic] | None:
        kind = operation_of(self.activation)
        if kind is None or not of_lamella(type(self)):
            return None
        bare = object.__new__(type(self))
        vars(bare).update(vars(self))
        bare.name, bare.activation, bare.activity_regularizer = f"{self.name}_before_activation", activations.linear, None
        bare._inbound_nodes, bare.call_losses = [], RunLosses()
        bare._fused, bare._after = bare.split_activation()
        before = bare(node.inputs[0])
        forget_reader(node_of(before))
        return kind, before


def positive(value: Any, what: str, who: str) -> int:
    """A count as a positive int. Raises ValueError otherwise."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number != value or number < 1:
        raise ValueError(f"Layer {who}: expected {what} to be a positive integer, got {value!r}")
    return number
