"""LSTM and its cell. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.layers.recurrent.cell import Cell, rate
from lamella.layers.recurrent.cell_layer import CellLayer
from lamella.layers.recurrent.gate_initializers import Filler, with_open_forget_gate
from lamella.layers.recurrent.keras1 import keras1_recurrent
from lamella.layers.recurrent.lstm_step import lstm_step
from lamella.ops import lstm


@register("layers")
class LSTMCell(Cell, self_contained=True):
    """c' = f c + i g, h' = o activation(c'), with the gates i, f, g, o of x kernel + bias + h recurrent_kernel.

    i, f, o go through recurrent_activation, g through activation; side by side in the weights they stand as i, f, g, o.

    Shapes:
        x [N, F]; h, c [N, units]; kernel [F, 4 units], recurrent_kernel [units, 4 units], bias [4 units] -> h' [N, units].

    Args:
        unit_forget_bias: Whether the forget gate's bias starts at one; the other parts come from bias_initializer.
        dropout: Fraction of the elements of x that are dropped in training before the product with the kernel. The mask is the
            same at each step of a layer's call.
        recurrent_dropout: The same for h and the recurrent kernel.
        implementation: With 1 each gate has its own dropout masks; with 2, or any other number, all gates share one.

    Deviation from Keras 2.2.5: recurrent_initializer Identity keeps its gain.
    """

    gates = 4
    all_steps = lstm

    def __init__(
        self,
        units: int,
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
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
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
        self.implementation = implementation
        self.state_size = (units, units)
        self.output_size = units

    def bias_filler(self) -> Filler:
        return with_open_forget_gate(self.bias_initializer) if self.unit_forget_bias else super().bias_filler()

    def call(  # type: ignore[override]  # a cell's
        self, inputs: Value, states: Sequence[Value], training: bool | None = None
    ) -> tuple[Value, list[Value]]:
        h, c = states
        of_x = self.affine(self.masked(inputs, "dropout", training), self.kernel, self.bias)
        of_h = self.affine(self.masked(h, "recurrent_dropout", training), self.recurrent_kernel, None)
        h, c = lstm_step(self, of_x, of_h, c, self.units)
        return h, [h, c]


@register("layers")
@keras1_recurrent()
class LSTM(CellLayer):
    """`LSTMCell` over [N, T, F], with its arguments and those of `RNN`. States: h, the output, and c, both [N, units]."""

    def __init__(
        self,
        units: int,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        self.begin(LSTMCell, given(locals()), kwargs)
