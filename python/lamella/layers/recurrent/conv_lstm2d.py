"""ConvLSTM2D and its cell. Source: Shi et al. 1506.04214; Keras 2.2.5 keras/layers/convolutional_recurrent.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.window import Window
from lamella.layers.data_format import channel_axis, to_first, to_last
from lamella.layers.recurrent.cell import MaskedCell, rate
from lamella.layers.recurrent.cell_layer import CellLayer
from lamella.layers.recurrent.conv_rnn2d import ConvRNN2D
from lamella.layers.recurrent.gate_initializers import with_open_forget_gate
from lamella.layers.recurrent.keras1 import keras1_recurrent
from lamella.layers.recurrent.lstm_step import lstm_step
from lamella.ops import concatenate, conv


@register("layers")
class ConvLSTM2DCell(MaskedCell, self_contained=True):
    """An LSTM whose products are convolutions: c' = f c + i g, h' = o activation(c'), gates i, f, g, o of conv(x) + conv(h).

    x is convolved with strides, padding, dilation_rate and the bias, h with strides 1 and padding "same". In the last axis of the
    weights stand i, f, g, o, in both data formats.

    Shapes:
        x [N, H, W, C], h and c [N, P, Q, filters] (or [N, C, H, W], [N, filters, P, Q]); kernel [kh, kw, C, 4 filters],
        recurrent_kernel [kh, kw, filters, 4 filters], bias [4 filters].

    Args:
        unit_forget_bias: Whether the forget gate's bias starts at one; the other parts come from bias_initializer.
        dropout: As LSTMCell's with implementation 1: each gate has masks of its own.
        recurrent_dropout: The same for h and the recurrent kernel.
    """

    gates = 4
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Spec = "tanh",
        recurrent_activation: Spec = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        recurrent_initializer: Spec = "orthogonal",
        bias_initializer: Spec = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Spec = None,
        recurrent_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        recurrent_constraint: Spec = None,
        bias_constraint: Spec = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
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
        self.recurrent_activation = recurrent_activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer
        self.unit_forget_bias = unit_forget_bias
        self.kernel_regularizer = kernel_regularizer
        self.recurrent_regularizer = recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.recurrent_constraint = recurrent_constraint
        self.bias_constraint = bias_constraint
        self.dropout = rate(dropout, "dropout", self.name)
        self.recurrent_dropout = rate(recurrent_dropout, "recurrent_dropout", self.name)
        self.state_size = (filters, filters)

    def build(self, input_shape: Shape) -> None:
        channels = self.known_channels(input_shape)
        columns = 4 * self.filters
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, columns))
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (*self.kernel_size, self.filters, columns))
        fill = with_open_forget_gate(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer
        self.bias = self.add_weight("bias", (columns,), initializer=fill) if self.use_bias else None
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        window = Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)
        return self.shape_of_windows(input_shape, window, self.filters)

    def call(  # type: ignore[override]  # a cell's
        self, inputs: Value, states: Sequence[Value], training: bool | None = None
    ) -> tuple[Value, list[Value]]:
        h, c = states
        of_x = self._of_gates(self._input_conv, self.masked(inputs, "dropout", training), self.kernel, self.bias)
        of_h = self._of_gates(self._recurrent_conv, self.masked(h, "recurrent_dropout", training), self.recurrent_kernel, None)
        if self.data_format == "channels_first":
            h, c = map(to_first, lstm_step(self, to_last(of_x), to_last(of_h), to_last(c), self.filters))
        else:
            h, c = lstm_step(self, of_x, of_h, c, self.filters)
        return h, [h, c]

    def input_conv(self, x: Value, w: Value, b: Value | None = None, padding: str = "valid") -> Value:
        """x convolved with the kernel w by the layer's strides and dilation and this padding, + b; in the layer's data format."""
        return self._convolved(x, w, b, strides=self.strides, padding=padding, dilation=self.dilation_rate)

    def recurrent_conv(self, x: Value, w: Value) -> Value:
        """x convolved with the kernel w by strides 1 and padding "same"; in the layer's data format."""
        return self._convolved(x, w, None, padding="same")

    def _input_conv(self, x: Value, w: Value, b: Value | None) -> Value:
        return self.input_conv(x, w, b, padding=self.padding)

    def _recurrent_conv(self, x: Value, w: Value, b: None) -> Value:
        return self.recurrent_conv(x, w)

    def _convolved(self, x: Value, w: Value, b: Value | None, **geometry: Any) -> Value:
        if self.data_format == "channels_first":
            return to_first(conv(to_last(x), w, b, **geometry))
        return conv(x, w, b, **geometry)

    def _of_gates(self, of_one: Callable[..., Value], xs: Sequence[Value], kernel: Value, bias: Value | None) -> Value:
        """Of all gates side by side; xs: one for all, or one for each gate."""
        if len(xs) == 1:
            return of_one(xs[0], kernel, bias)
        parts = [of_one(x, self._gate(kernel, g), None if bias is None else self._gate(bias, g)) for g, x in enumerate(xs)]
        return concatenate(*parts, axis=channel_axis(self.data_format))

    def _gate(self, weight: Value, gate: int) -> Value:
        return weight[..., gate * self.filters : (gate + 1) * self.filters]


@register("layers")
@keras1_recurrent(kernel_axes=("nb_row", "nb_col"), nb_filter="filters")
class ConvLSTM2D(CellLayer, ConvRNN2D):
    """`ConvLSTM2DCell` over [N, T, H, W, C], with its arguments; see ConvRNN2D. States: h, c; both start at zero.

    Args:
        return_state: By keyword.

    Deviations from Keras 2.2.5: dropout masks are new in each call; with channels_first in the layer but not in K, shapes
    are those of the layer's format.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Spec = "tanh",
        recurrent_activation: Spec = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        recurrent_initializer: Spec = "orthogonal",
        bias_initializer: Spec = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Spec = None,
        recurrent_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        recurrent_constraint: Spec = None,
        bias_constraint: Spec = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.begin(ConvLSTM2DCell, given(locals()), kwargs)
