"""Conv2D. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec
from lamella.core.registry import register
from lamella.core.shapes import Shape, window_length
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer
from lamella.layers.data_format import channel_axis, spatial, to_first, to_last, with_spatial
from lamella.layers.keras1 import keras1_names
from lamella.ops import conv2d


@register("layers", "Convolution2D")
@keras1_names(square_kernel=True, nb_filter="filters")
class Conv2D(KernelLayer, self_contained=True):
    """activation(sum of windows of x times kernel, + bias).

    Shapes:
        x [N, H, W, C] (or [N, C, H, W] with channels_first, transposed at the layer's edge), kernel [kh, kw, C, filters] in
            both formats -> [N, P, Q, filters].

    Other than Keras 2.2.5, strides and dilation_rate may both be above 1.
    """

    input_spec = InputSpec(ndim=4)
    rank = 2
    fuses = ("relu",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
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
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"Layer {self.name}: the channel dimension of the inputs should be defined. Found `None` in {input_shape}."
            )
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, self.filters))
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None
        self.input_spec = InputSpec(ndim=4, axes={axis: channels})
        self._fused, self._after = self.split_activation()
        self._channels_first = self.data_format == "channels_first"
        self.built = True

    def call(self, inputs: Value) -> Value:
        if self._channels_first:
            inputs = to_last(inputs)
        y = conv2d(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            activation=self._fused,
        )
        if self._channels_first:
            y = to_first(y)
        return y if self._after is None else self._after(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = tuple(
            window_length(size, window, stride, self.padding, dilation)
            for size, window, stride, dilation in zip(
                spatial(input_shape, self.data_format), self.kernel_size, self.strides, self.dilation_rate
            )
        )
        if 0 in sizes:
            raise ValueError(
                f"Layer {self.name}: the kernel {self.kernel_size} is larger than the input {input_shape}; "
                f"the output would be empty"
            )
        return with_spatial(input_shape[0], sizes, self.filters, self.data_format)


Convolution2D = Conv2D
