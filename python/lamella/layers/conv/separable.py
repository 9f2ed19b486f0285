"""Depthwise and separable convolutions. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella import constraints, initializers, regularizers
from lamella.core.configurable import Config, Spec, given
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.core.window import Window
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import ActivatedLayer, KernelLayer
from lamella.layers.conv.conv2d import Conv2D
from lamella.layers.conv.convolution import Convolution
from lamella.layers.data_format import channel_axis, to_first, to_last
from lamella.layers.keras1 import keras1_names
from lamella.ops import conv, depthwise_conv

# Arguments of Keras's base class, of a kernel that these layers do not have.
_WITHOUT_EFFECT: dict[str, Callable[[Any], Any]] = {
    "kernel_initializer": initializers.get,
    "kernel_regularizer": regularizers.get,
    "kernel_constraint": constraints.get,
}


class _Depthwise(ActivatedLayer, self_contained=True):
    """Base: depthwise_kernel [..., C, depth_multiplier], whose output channel c*depth_multiplier + m is of input channel c.

    kernel_initializer, kernel_regularizer and kernel_constraint are taken, kept as attributes and have no effect, as in Keras
    2.2.5, whose configs do not hold them either. Here a warning says so.
    """

    fuses = ("relu",)

    depth_multiplier: Any
    use_bias: bool

    def __init__(self, **kwargs: Any) -> None:
        taken = {name: kwargs.pop(name) for name in _WITHOUT_EFFECT if name in kwargs}
        KernelLayer.__init__(self, **kwargs)  # not that of Conv2D, which DepthwiseConv2D also is
        for name, value in taken.items():
            setattr(self, name, _WITHOUT_EFFECT[name](value))
            warn(f"Layer {self.name}: {name} has no effect; use depthwise_{name.removeprefix('kernel_')} and the like")

    def _add_depthwise(self, input_shape: Shape) -> int:
        """Make the depthwise kernel; returns the number of channels that it makes."""
        channels = self.known_channels(input_shape)
        self.depthwise_kernel = self.add_weight("depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        self._fused, self._after = self.split_activation()
        return int(channels * self.depth_multiplier)

    def _depthwise(self, x: Value, bias: Value | None, activation: str) -> Value:
        return depthwise_conv(
            x,
            self.depthwise_kernel,
            bias,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            activation=activation,
        )

    def last(self, x: Value) -> Value:
        """All of the layer but an activation that no kernel fuses, for a channels-last x."""
        raise NotImplementedError

    def call(self, inputs: Value) -> Value:
        y = to_first(self.last(to_last(inputs))) if self.data_format == "channels_first" else self.last(inputs)
        return y if self._after is None else self._after(y)

    def _output_shape(self, input_shape: Shape, filters: int | None) -> Shape:
        window = Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return self.shape_of_windows(input_shape, window, filters)


class _SeparableConv(_Depthwise, Convolution, self_contained=True):
    """Base. A class of `rank` axes names the defaults in its constructor."""

    fixed = ("rank", *_WITHOUT_EFFECT)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
        depth_multiplier: int,
        activation: Spec,
        use_bias: bool,
        depthwise_initializer: Spec,
        pointwise_initializer: Spec,
        bias_initializer: Spec,
        depthwise_regularizer: Spec,
        pointwise_regularizer: Spec,
        bias_regularizer: Spec,
        activity_regularizer: Spec,
        depthwise_constraint: Spec,
        pointwise_constraint: Spec,
        bias_constraint: Spec,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = data_format
        self.dilation_rate = dilation_rate
        self.depth_multiplier = depth_multiplier
        self.activation = activation
        self.use_bias = use_bias
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.bias_initializer = bias_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Shape) -> None:
        made = self._add_depthwise(input_shape)
        self.pointwise_kernel = self.add_weight("pointwise_kernel", (*(1,) * self.rank, made, self.filters))
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None
        self.built = True

    def last(self, x: Value) -> Value:
        return conv(self._depthwise(x, None, "linear"), self.pointwise_kernel, self.bias, activation=self._fused)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._output_shape(input_shape, self.filters)


@register("layers")
class DepthwiseConv2D(_Depthwise, Conv2D, self_contained=True):
    """activation(each channel of images convolved by itself, + bias).

    Shapes:
        x [N, H, W, C] (or [N, C, H, W] with channels_first), depthwise_kernel [kh, kw, C, depth_multiplier], bias
            [C*depth_multiplier] -> [N, P, Q, C*depth_multiplier].
    """

    input_spec = InputSpec(ndim=4)
    rank = 2
    filters: Any = None  # as in Keras: the number follows from the input

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Spec = None,
        use_bias: bool = True,
        depthwise_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        depthwise_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        depthwise_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = data_format
        self.dilation_rate = dilation_rate
        self.depth_multiplier = depth_multiplier
        self.activation = activation
        self.use_bias = use_bias
        self.depthwise_initializer = depthwise_initializer
        self.bias_initializer = bias_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Shape) -> None:
        made = self._add_depthwise(input_shape)
        self.bias = self.add_weight("bias", (made,)) if self.use_bias else None
        self.built = True

    def last(self, x: Value) -> Value:
        return self._depthwise(x, self.bias, self._fused)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = input_shape[channel_axis(self.data_format)]
        return self._output_shape(input_shape, None if channels is None else channels * self.depth_multiplier)

    def get_config(self) -> Config:
        """Without the arguments of Conv2D that this layer does not take."""
        return {key: value for key, value in super().get_config().items() if key not in ("filters", *_WITHOUT_EFFECT)}


@register("layers", "SeparableConvolution1D")
class SeparableConv1D(_SeparableConv, self_contained=True):
    """activation(a depthwise convolution of steps, then one of a single step over all channels, + bias).

    Shapes:
        x [N, T, C] (or [N, C, T] with channels_first), depthwise_kernel [k, C, depth_multiplier], pointwise_kernel
            [1, C*depth_multiplier, filters] -> [N, P, filters].
    """

    input_spec = InputSpec(ndim=3)
    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Spec = None,
        use_bias: bool = True,
        depthwise_initializer: Spec = "glorot_uniform",
        pointwise_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        depthwise_regularizer: Spec = None,
        pointwise_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        depthwise_constraint: Spec = None,
        pointwise_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**given(locals()), **kwargs)


@register("layers", "SeparableConvolution2D")
@keras1_names(("nb_row", "nb_col"), nb_filter="filters", init=("depthwise_initializer", "pointwise_initializer"))
class SeparableConv2D(_SeparableConv, self_contained=True):
    """activation(a depthwise convolution of images, then one of a single point over all channels, + bias).

    Shapes:
        x [N, H, W, C] (or [N, C, H, W] with channels_first), depthwise_kernel [kh, kw, C, depth_multiplier], pointwise_kernel
            [1, 1, C*depth_multiplier, filters] -> [N, P, Q, filters].

    Unlike in Keras 2.2.5 on a CPU, strides may be unequal.
    """

    input_spec = InputSpec(ndim=4)
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        depth_multiplier: int = 1,
        activation: Spec = None,
        use_bias: bool = True,
        depthwise_initializer: Spec = "glorot_uniform",
        pointwise_initializer: Spec = "glorot_uniform",
        bias_initializer: Spec = "zeros",
        depthwise_regularizer: Spec = None,
        pointwise_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        depthwise_constraint: Spec = None,
        pointwise_constraint: Spec = None,
        bias_constraint: Spec = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**given(locals()), **kwargs)


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
