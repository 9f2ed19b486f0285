"""SimpleRNN and its cell. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.layers.arguments import activated
from lamella.layers.recurrent.cell import Cell, rate
from lamella.layers.recurrent.cell_layer import CellLayer
from lamella.layers.recurrent.keras1 import keras1_recurrent
from lamella.ops import add, simple_rnn


@register("layers")
class SimpleRNNCell(Cell, self_contained=True):
    """h' = activation(x kernel + bias + h recurrent_kernel).

    Shapes:
        x [N, F], h [N, units], kernel [F, units], recurrent_kernel [units, units], bias [units] -> h' [N, units].

    Args:
        dropout: Fraction of the elements of x that are dropped in training. The mask is the same at each step of a layer's call.
        recurrent_dropout: The same for h.
    """

    all_steps = simple_rnn

    def __init__(
        self,
        units: int,
        activation: Spec = "tanh",
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        recurrent_initializer: Spec = "orthogonal",
        bias_initializer: Spec = "zeros",
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
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.recurrent_initializer = recurrent_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.recurrent_regularizer = recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.recurrent_constraint = recurrent_constraint
        self.bias_constraint = bias_constraint
        self.dropout = rate(dropout, "dropout", self.name)
        self.recurrent_dropout = rate(recurrent_dropout, "recurrent_dropout", self.name)
        self.state_size = self.output_size = units

    def call(  # type: ignore[override]  # a cell's
        self, inputs: Value, states: Sequence[Value], training: bool | None = None
    ) -> tuple[Value, list[Value]]:
        x = self.affine(self.masked(inputs, "dropout", training), self.kernel, self.bias)
        h = self.affine(self.masked(states[0], "recurrent_dropout", training), self.recurrent_kernel, None)
        y = activated(self.activation, add(x, h))
        return y, [y]


@register("layers")
@keras1_recurrent()
class SimpleRNN(CellLayer):
    """`SimpleRNNCell` over [N, T, F], with its arguments and those of `RNN`. State: h, the output [N, units]."""

    def __init__(
        self,
        units: int,
        activation: Spec = "tanh",
        use_bias: bool = True,
        kernel_initializer: Spec = "glorot_uniform",
        recurrent_initializer: Spec = "orthogonal",
        bias_initializer: Spec = "zeros",
        kernel_regularizer: Spec = None,
        recurrent_regularizer: Spec = None,
        bias_regularizer: Spec = None,
        activity_regularizer: Spec = None,
        kernel_constraint: Spec = None,
        recurrent_constraint: Spec = None,
        bias_constraint: Spec = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        if "implementation" in kwargs:
            kwargs.pop("implementation")
            warn("The `implementation` argument in `SimpleRNN` has been deprecated. Please remove it from your layer call.")
        self.begin(SimpleRNNCell, given(locals()), kwargs)
