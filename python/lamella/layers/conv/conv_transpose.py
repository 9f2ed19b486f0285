"""Conv2DTranspose and Conv3DTranspose. Source: Keras 2.2.5 keras/layers/convolutional.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Config, Spec, given
from lamella.core.registry import register
from lamella.core.shapes import Shape, normalize_tuple, transposed_length
from lamella.core.types import Value
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import activated
from lamella.layers.conv.conv2d import Conv2D
from lamella.layers.conv.conv3d import Conv3D
from lamella.layers.conv.convolution import Convolution
from lamella.layers.data_format import channel_axis, spatial, to_first, to_last, with_spatial
from lamella.layers.keras1 import keras1_names
from lamella.ops import conv_transpose


class _ConvTranspose(Convolution, self_contained=True):
    """The gradient of a convolution's input as a layer. kernel [..., filters, C] in both data formats."""

    def __init__(self, output_padding: int | Sequence[int] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_padding: Any = output_padding

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve(names)
        if "output_padding" not in names or self.output_padding is None:
            return
        self.output_padding = normalize_tuple(self.output_padding, self.rank, "output_padding", least=0)
        if any(more >= stride for more, stride in zip(self.output_padding, self.strides)):
            raise ValueError(
                f"Layer {self.name}: Stride {self.strides} must be greater than output padding {self.output_padding}"
            )

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        self.kernel = self.add_weight("kernel", (*self.kernel_size, self.filters, channels))
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        self.built = True

    def call(self, inputs: Value) -> Value:
        first = self.data_format == "channels_first"
        x = to_last(inputs) if first else inputs
        y = conv_transpose(
            x,
            self.kernel,
            self.bias,
            sizes=self._sizes(x.shape[1:-1]),
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
        )
        return activated(self.activation, to_first(y) if first else y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return with_spatial(input_shape[0], self._sizes(spatial(input_shape, self.data_format)), self.filters, self.data_format)

    def _sizes(self, sizes: Shape) -> Shape:
        more = self.output_padding or (None,) * self.rank
        axes = zip(sizes, self.kernel_size, self.strides, more, self.dilation_rate, strict=True)
        return tuple(transposed_length(n, k, stride, self.padding, extra, d) for n, k, stride, extra, d in axes)


@register("layers", "Convolution2DTranspose", "Deconvolution2D", "Deconv2D")
@keras1_names(kernel_axes=("nb_row", "nb_col"), dropped=("output_shape",), nb_filter="filters")
class Conv2DTranspose(_ConvTranspose, Conv2D, self_contained=True):
    """activation(the transpose of a convolution of images, + bias): more rows and columns, by `strides`.

    Shapes:
        x [N, H, W, C] (or [N, C, H, W] with channels_first), kernel [kh, kw, filters, C] -> [N, P, Q, filters]. Without
            output_padding P is H * stride, with "valid" + max(reach - stride, 0), reach = (kh - 1) * dilation + 1; with it
            (H - 1) * stride + reach - 2 * pad + output_padding, pad = reach // 2 for "same", 0 for "valid".

    Args:
        output_padding: One number for each axis, below its stride, or None; 0 is not None.

    Unlike in Keras 2.2.5, strides and dilation_rate may both be above 1.
    """

    input_spec = InputSpec(ndim=4)
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
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
        super().__init__(**given(locals()), **kwargs)


@register("layers", "Deconvolution3D", "Deconv3D")
class Conv3DTranspose(_ConvTranspose, Conv3D, self_contained=True):
    """activation(the transpose of a convolution of volumes, + bias). As `Conv2DTranspose`, without dilation_rate.

    Shapes:
        x [N, D, H, W, C] (or [N, C, D, H, W] with channels_first), kernel [k1, k2, k3, filters, C] -> [N, O, P, Q, filters].
    """

    input_spec = InputSpec(ndim=5)
    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1, 1),
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
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
        super().__init__(dilation_rate=(1, 1, 1), **given(locals()), **kwargs)

    def get_config(self) -> Config:
        """Without the dilation_rate that convolutions have and this layer does not take."""
        return {key: value for key, value in super().get_config().items() if key != "dilation_rate"}


Convolution2DTranspose = Deconvolution2D = Deconv2D = Conv2DTranspose
Deconvolution3D = Deconv3D = Conv3DTranspose
