"""LocallyConnected1D and 2D: convolutions whose weights differ from place to place. Source: Keras 2.2.5 keras/layers/local.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.core.shapes import Shape, count
from lamella.core.types import Value
from lamella.core.window import Window
from lamella.graph.input_spec import InputSpec
from lamella.layers.arguments import KernelLayer, activated
from lamella.layers.data_format import channel_axis, spatial, to_first, to_last
from lamella.layers.keras1 import keras1_names
from lamella.ops import local_conv, reshape, transpose


class _LocallyConnected(KernelLayer, self_contained=True):
    """Base. A class of `rank` axes names the defaults in its constructor."""

    paddings = ("valid", "same", "causal")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        activation: Spec,
        use_bias: bool,
        kernel_initializer: Spec,
        bias_initializer: Spec,
        kernel_regularizer: Spec,
        bias_regularizer: Spec,
        activity_regularizer: Spec,
        kernel_constraint: Spec,
        bias_constraint: Spec,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.data_format = data_format
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve(names)
        if self.padding != "valid":
            raise ValueError(
                f'Invalid border mode for {type(self).__name__} (only "valid" is supported): {self.padding} (layer {self.name})'
            )

    def _window(self) -> Window:
        return Window(self.kernel_size, self.strides, (1,) * self.rank)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        places = [n for n in spatial(self.compute_output_shape(input_shape), self.data_format) if n is not None]
        if len(places) < self.rank:
            raise ValueError(
                f"The spatial dimensions of the inputs to  a {type(self).__name__} layer should be fully-defined, but layer "
                f"{self.name} received the inputs shape {input_shape}"
            )
        terms = count(self.kernel_size) * channels
        self.kernel = self.add_weight("kernel", (count(places), terms, self.filters))
        self.bias = self.add_weight("bias", (*places, self.filters)) if self.use_bias else None
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        self.built = True

    def call(self, inputs: Value) -> Value:
        first = self.data_format == "channels_first"
        bias: Value | None = self.bias
        if first and bias is not None:
            # Read as [filters, places], as Keras 2.2.5 reshapes it: files hold it so.
            *places, filters = bias.shape
            bias = transpose(reshape(bias, shape=(filters, *places)), axes=(*range(1, self.rank + 1), 0))
        y = local_conv(
            to_last(inputs) if first else inputs,
            self.kernel,
            bias,
            size=self.kernel_size,
            strides=self.strides,
            channels_first=first,
        )
        return activated(self.activation, to_first(y) if first else y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.shape_of_windows(input_shape, self._window(), self.filters)


@register("layers")
@keras1_names(sequence=True, nb_filter="filters", filter_length="kernel_size", subsample_length="strides")
class LocallyConnected1D(_LocallyConnected, self_contained=True):
    """activation(each window of steps times weights of its own, + bias).

    Shapes:
        x [N, T, C] with a known T, kernel [P, k*C, filters], bias [P, filters] -> [N, P, filters].

    Args:
        padding: "valid", the only one that Keras has.
        data_format: None or "channels_last". Keras 2.2.5 stores "channels_first" and does not look at it; here it is refused.
    """

    input_spec = InputSpec(ndim=3)
    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
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
        super().__init__(**given(locals()), **kwargs)

    def resolve(self, names: Sequence[str]) -> None:
        if self.data_format is None:
            # Not the default of the process, which Keras does not look at here.
            self.data_format = "channels_last"
        super().resolve(names)
        if self.data_format != "channels_last":
            raise ValueError(f'Layer {self.name}: expected data_format to be "channels_last", got {self.data_format!r}')


@register("layers")
@keras1_names(kernel_axes=("nb_row", "nb_col"), nb_filter="filters")
class LocallyConnected2D(_LocallyConnected, self_contained=True):
    """activation(each window of images times weights of its own, + bias).

    Shapes:
        x [N, H, W, C] with known H and W (or [N, C, H, W] with channels_first), kernel [P*Q, kh*kw*C, filters] with the places
            row by row, bias [P, Q, filters] -> [N, P, Q, filters]. A row of the kernel's is in the order [kh, kw, C], with
            channels_first [C, kh, kw], where the bias is read as [filters, P, Q], as Keras 2.2.5 does it.

    Args:
        padding: "valid", the only one that Keras has.
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
