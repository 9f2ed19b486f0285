"""What convolutions on one, two and three axes share. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.configurable import Spec
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.window import Window
from lamella.graph.input_spec import InputSpec
from lamella.graph.layer import Layer
from lamella.layers.arguments import ActivatedLayer
from lamella.layers.data_format import channel_axis, to_first, to_last
from lamella.layers.pooling.windows import Maximum, is_max_pooling
from lamella.ops import conv, conv_max_pool


class Convolution(ActivatedLayer, self_contained=True):
    """activation(sum of windows of x times kernel, + bias). Scripts subclass it as keras.layers.convolutional._Conv.

    Args:
        rank: Number of axes on which windows move.
    """

    fuses = ("relu",)

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Spec = None,
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        kernel_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rank = rank
        if rank == 1:
            self.paddings = ("valid", "same", "causal")
        if self.input_spec is None:
            self.input_spec = InputSpec(ndim=rank + 2)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = data_format
        self.dilation_rate = dilation_rate
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Shape) -> None:
        axis = channel_axis(self.data_format)
        channels = self.known_channels(input_shape)
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, self.filters))
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        self._fused, self._after = self.split_activation()
        self.built = True

    def call(self, inputs: Value) -> Value:
        first = self.data_format == "channels_first"
        if first:
            inputs = to_last(inputs)
        y = conv(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            activation=self._fused,
        )
        if first:
            y = to_first(y)
        return y if self._after is None else self._after(y)

    def call_before(self, follower: Layer, *, frozen: bool) -> Callable[..., Value] | None:
        if type(self).call is Convolution.call and is_max_pooling(follower):
            return functools.partial(self._call_before, follower)
        return None

    def _call_before(self, follower: Maximum, inputs: Value) -> Value:
        # Asked at each call, as attributes of layers may change.
        if self._after is not None or self.data_format != follower.data_format:
            return follower.call(self.call(inputs))
        first = self.data_format == "channels_first"
        y = conv_max_pool(
            to_last(inputs) if first else inputs,
            self.kernel,
            self.bias,
            size=follower.pool_size,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            pool_strides=follower.strides,
            pool_padding=follower.padding,
            activation=self._fused,
        )
        return to_first(y) if first else y

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        window = Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return self.shape_of_windows(input_shape, window, self.filters)


_Conv = Convolution  # its name in Keras
