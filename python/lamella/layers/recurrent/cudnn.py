"""CuDNNLSTM and CuDNNGRU: the layers of models that were trained on a GPU. Source: Keras 2.2.5 keras/layers/cudnn_recurrent.py."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.configurable import Config, Spec, given, own_arguments
from lamella.core.registry import register
from lamella.core.types import Array, Value
from lamella.graph.layer import Layer
from lamella.layers.recurrent.cell import Cell
from lamella.layers.recurrent.cell_layer import CellLayer
from lamella.layers.recurrent.gate_initializers import Filler
from lamella.layers.recurrent.gru import GRUCell
from lamella.layers.recurrent.lstm import LSTMCell
from lamella.ops import add, gates_of_cudnn, reshape

# A cell with the weights of this one in the plain layout, as values of the running tape.
Plain = Cell


class _CuDNNLSTMCell(LSTMCell, self_contained=True):
    """An LSTMCell whose weights stand in cuDNN's order; bias [8 units]: for x i, f, c, o, then for h; both are added."""

    all_steps = LSTMCell.all_steps

    def bias_shape(self) -> tuple[int, ...]:
        return (8 * self.units,)

    def bias_filler(self) -> Filler:
        return _open_forget_gate_of_h(self.bias_initializer) if self.unit_forget_bias else self.bias_initializer

    def plain(self) -> Plain:
        twin, half = copy.copy(self), 4 * self.units
        twin.kernel = gates_of_cudnn(self.kernel, units=self.units)
        twin.recurrent_kernel = gates_of_cudnn(self.recurrent_kernel, units=self.units)
        bias: Value = self.bias
        twin.bias = add(bias[:half], bias[half:])
        return twin


class _CuDNNGRUCell(GRUCell, self_contained=True):
    """A GRUCell with reset_after whose weights stand in cuDNN's order; bias [6 units]: for x z, r, h, then for h."""

    all_steps = GRUCell.all_steps

    def bias_shape(self) -> tuple[int, ...]:
        return (6 * self.units,)

    def plain(self) -> Plain:
        twin = copy.copy(self)
        twin.kernel = gates_of_cudnn(self.kernel, units=self.units)
        twin.recurrent_kernel = gates_of_cudnn(self.recurrent_kernel, units=self.units)
        twin.bias = reshape(self.bias, shape=(2, 3 * self.units))
        return twin


def _open_forget_gate_of_h(initializer: Filler) -> Filler:
    """`initializer` for the biases of an LSTM in cuDNN's order, but ones for h's forget gate."""

    def fill(shape: Sequence[int], dtype: str | None = None) -> Array:
        units = shape[0] // 8
        parts = [initializer((5 * units,), dtype=dtype), np.ones(units), initializer((2 * units,), dtype=dtype)]
        return np.concatenate([np.asarray(part, dtype) for part in parts])

    return fill


class _CuDNNRNN(CellLayer):
    """Base: fixed activations, no masks, dropout or unrolling; go_backwards by keyword only."""

    supports_masking = False

    def step_cell(self) -> Plain:
        found: Plain = self.cell.plain()
        return found

    def call(
        self,
        inputs: Value,
        mask: Any = None,
        training: bool | None = None,
        initial_state: Sequence[Value] | None = None,
        constants: Sequence[Value] | None = None,
    ) -> Value:
        if (mask[0] if isinstance(mask, list) else mask) is not None:
            raise ValueError(f"Layer {self.name}: Masking is not supported for CuDNN RNNs.")
        return super().call(inputs, None, training, initial_state, constants)

    def get_config(self) -> Config:
        config = super().get_config()
        unknown = {name for name in own_arguments(CellLayer, Layer) if name != "go_backwards"} - set(_own_names(type(self)))
        return {name: value for name, value in config.items() if name not in unknown}


def _own_names(kind: type) -> tuple[str, ...]:
    return own_arguments(kind, _CuDNNRNN)


@register("layers")
class CuDNNLSTM(_CuDNNRNN):
    """LSTM with tanh and sigmoid, whose weights, in memory and in files, stand as cuDNN keeps them.

    The arguments that are not listed are those of `LSTM`.

    Shapes:
        x [N, T, F]; kernel [F, 4 units], recurrent_kernel [units, 4 units] in cuDNN's order (core/cudnn_layout.py); bias [8 units].

    Args:
        unit_forget_bias: The forget gate's bias for h starts at one.
        go_backwards: By keyword.

    Raises:
        ValueError: The layer is called with a mask.
    """

    def __init__(
        self,
        units: int,
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
        return_state: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        self.begin(_CuDNNLSTMCell, given(locals()), kwargs, activation="tanh", recurrent_activation="sigmoid")


@register("layers")
class CuDNNGRU(_CuDNNRNN):
    """GRU(reset_after=True) with tanh and sigmoid, whose weights, in memory and in files, stand as cuDNN keeps them.

    The arguments that are not listed are those of `GRU`.

    Shapes:
        x [N, T, F]; kernel [F, 3 units], recurrent_kernel [units, 3 units] in cuDNN's order (core/cudnn_layout.py); bias [6 units].

    Args:
        go_backwards: By keyword.

    Raises:
        ValueError: The layer is called with a mask.
    """

    def __init__(
        self,
        units: int,
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
        return_sequences: bool = False,
        return_state: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        self.begin(_CuDNNGRUCell, given(locals()), kwargs, activation="tanh", recurrent_activation="sigmoid", reset_after=True)
