"""GRU and its cell. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.configurable import Spec, given
from lamella.core.registry import register
from lamella.core.types import Value
from lamella.layers.arguments import activated
from lamella.layers.recurrent.cell import Cell, rate
from lamella.layers.recurrent.cell_layer import CellLayer
from lamella.layers.recurrent.keras1 import keras1_recurrent
from lamella.ops import add, gru, multiply, subtract
from lamella.ops.gates import gated_dense


@register("layers")
class GRUCell(Cell, self_contained=True):
    """h' = z h + (1 - z) g, with the gates z, r, g of x and h, which stand in this order, side by side, in the weights.

    z, r = recurrent_activation(x kernel + bias + h recurrent_kernel) with their columns. Without reset_after:
    g = activation(x kernel + bias + (r h) recurrent_kernel); with it g = activation(x kernel + bias[0] + r (h recurrent_kernel +
    bias[1])), as cuDNN computes it.

    Shapes:
        x [N, F]; h [N, units]; kernel [F, 3 units], recurrent_kernel [units, 3 units]; bias [3 units], with reset_after
        [2, 3 units], for x and for h -> h' [N, units].

    Args:
        dropout: Fraction of the elements of x that are dropped in training before the product with the kernel. The mask is the
            same at each step of a layer's call.
        recurrent_dropout: The same for h and the recurrent kernel.
        implementation: With 1 each gate has its own dropout masks; with 2, or any other number, all gates share one.
        reset_after: Whether r multiplies the product with the recurrent kernel, as in cuDNN, instead of h.

    Deviations from Keras 2.2.5: with implementation 2, z multiplies h before recurrent_dropout, as implementation 1 does;
    recurrent_initializer Identity keeps its gain.
    """

    gates = 3
    all_steps = gru

    def __init__(
        self,
        units: int,
        activation: Spec = "tanh",
        recurrent_activation: Spec = "hard_sigmoid",
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
        implementation: int = 1,
        reset_after: bool = False,
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
        self.kernel_regularizer = kernel_regularizer
        self.recurrent_regularizer = recurrent_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.recurrent_constraint = recurrent_constraint
        self.bias_constraint = bias_constraint
        self.dropout = rate(dropout, "dropout", self.name)
        self.recurrent_dropout = rate(recurrent_dropout, "recurrent_dropout", self.name)
        self.implementation = implementation
        self.reset_after = reset_after
        self.state_size = self.output_size = units

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(  # type: ignore[override]  # a cell's
        self, inputs: Value, states: Sequence[Value], training: bool | None = None
    ) -> tuple[Value, list[Value]]:
        h = states[0]
        bias: Value = self.bias
        before, after = (bias[0], bias[1]) if self.reset_after and bias is not None else (bias, None)
        x = self.affine(self.masked(inputs, "dropout", training), self.kernel, before)
        dropped = self.masked(h, "recurrent_dropout", training)
        if self.reset_after:
            recurrent = self.affine(dropped, self.recurrent_kernel, after)
            zr = activated(self.recurrent_activation, add(self.gate(x, 0, 2), self.gate(recurrent, 0, 2)))
            of_h = multiply(self.gate(zr, 1), self.gate(recurrent, 2))
        else:
            own = dropped * (3 // len(dropped))  # the same for each gate where there is one mask, or none
            recurrent = gated_dense(self.recurrent_kernel, None, own[0], own[1], units=self.units)
            zr = activated(self.recurrent_activation, add(self.gate(x, 0, 2), recurrent))
            reset = multiply(self.gate(zr, 1), own[2])
            of_h = gated_dense(self.recurrent_kernel, None, reset, units=self.units, first=2)
        z = self.gate(zr, 0)
        g = activated(self.activation, add(self.gate(x, 2), of_h))
        y = add(multiply(z, h), multiply(subtract(1.0, z), g))
        return y, [y]


@register("layers")
@keras1_recurrent()
class GRU(CellLayer):
    """`GRUCell` over [N, T, F], with its arguments and those of `RNN`. State: h, the output [N, units]."""

    def __init__(
        self,
        units: int,
        activation: Spec = "tanh",
        recurrent_activation: Spec = "hard_sigmoid",
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
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        self.begin(GRUCell, given(locals()), kwargs)
