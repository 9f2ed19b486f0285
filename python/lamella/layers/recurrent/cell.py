"""What the cells share: the state of one step, and dropout masks that are the same at each step of a call."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.checks import check_number
from lamella.core.graphs import accepts_symbolic
from lamella.core.phase import current
from lamella.core.random import draw_key
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.layers.arguments import KernelLayer
from lamella.layers.recurrent.gate_initializers import Filler, for_each_gate
from lamella.ops import dense, dropout
from lamella.ops.gates import gated_dense

T = TypeVar("T")

Key = tuple[int, int]  # of a mask, see ops.dropout


class _Call(threading.local):
    """The keys that were drawn in the layer call that runs in this thread; None outside of one."""

    keys: dict[tuple[object, str], list[Key]] | None = None


_call = _Call()


def with_fixed_masks(function: Callable[..., T], *arguments: Any) -> T:
    """function(*arguments), within which a cell's dropout masks are the same each time; the next call draws new ones.

    Deviation from Keras 2.2.5, where the masks of cells in an RNN are made once for the life of the cell.
    """
    return Scope((_call, "keys", {})).run(function, *arguments)


def takes(cell: Any, argument: str) -> bool:
    """Whether the cell's `call` has an argument of that name."""
    return argument in inspect.signature(cell.call).parameters


@accepts_symbolic("recurrent")
def zero_state(inputs: Value, sizes: Shape) -> Value:
    """Zeros [N, *sizes] of the inputs' dtype and number of samples N."""
    return np.zeros((inputs.shape[0], *sizes), inputs.dtype)


def sizes_of(cell: Any) -> list[Any]:
    """The size of each state, a number; of a convolutional cell's too, whose maps have more axes."""
    size = cell.state_size
    return list(size) if hasattr(size, "__len__") else [size]


def output_size_of(cell: Any) -> int:
    """The features of a cell's output: output_size, else the first state's size."""
    size = getattr(cell, "output_size", None)
    return int(sizes_of(cell)[0] if size is None else size)


def build_cell(cell: Any, step_shape: Shape, constants: Sequence[Shape], dtype: str | None) -> None:
    """Build a cell that is a layer, unless it is built.

    Args:
        step_shape: (N, F), without the time.
        constants: Shapes of the constants; a cell whose call takes them is built with a list of all shapes.
        dtype: Of its weights if it has none of its own.
    """
    if not isinstance(cell, Layer) or cell.built:
        return
    cell.given_dtype = cell.given_dtype or dtype
    cell.build([step_shape, *constants] if constants and takes(cell, "constants") else step_shape)
    cell.built = True


def call_cell(cell: Any, x: Value, states: Sequence[Value], constants: Sequence[Value], training: bool | None) -> Any:
    """(output, new states) of one step."""
    named: dict[str, Any] = {"constants": list(constants)} if constants and takes(cell, "constants") else {}
    if takes(cell, "training"):
        named["training"] = training
    return cell.call(x, list(states), **named)


def rate(value: Any, what: str, who: str) -> float:
    """A dropout rate, clipped to [0, 1]. Raises TypeError or ValueError for what is no number."""
    check_number(value, f"Layer {who}, {what}")
    return min(1.0, max(0.0, float(value)))


class MaskedCell(KernelLayer):
    """Base of cells with dropout: of the inputs, and of the state before the step, each where it meets the weights.

    `call(inputs, states, training)` returns (output, list of new states).

    Attributes:
        state_size: Size of each state, one number or a tuple.
        gates: Number of gates, side by side in the last axis of the weights.
        implementation: 1 gives each gate masks of its own; any other one mask for all.
    """

    takes_lists = True  # of shapes: that of a step and those of constants
    gates = 1
    implementation = 1

    dropout: float
    recurrent_dropout: float
    kernel: Value
    recurrent_kernel: Value
    bias: Value

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return 0 < self.dropout < 1 or 0 < self.recurrent_dropout < 1

    def masked(self, x: Value, what: str, training: bool | None) -> list[Value]:
        """x, once for all gates; in training, if `what` (dropout or recurrent_dropout) is a rate: x under its mask.

        With implementation 1 each gate has a mask of its own, and x comes once for each gate.
        """
        share: float = getattr(self, what)
        return [dropout(x, rate=share, key=key) for key in self.dropout_keys(what, training)] or [x]

    def dropout_keys(self, what: str, training: bool | None) -> list[Key]:
        """The key of each mask of `what` (dropout or recurrent_dropout); none outside of training, or without a rate."""
        share: float = getattr(self, what)
        if training is None:
            training = current.training
        return self._keys(what) if training and 0 < share < 1 else []

    def _keys(self, what: str) -> list[Key]:
        count = self.gates if self.implementation == 1 else 1
        if _call.keys is None:
            return [draw_key() for _ in range(count)]
        place = (self, what)
        if place not in _call.keys:
            _call.keys[place] = [draw_key() for _ in range(count)]
        return _call.keys[place]


class Cell(MaskedCell):
    """Base of the cells of SimpleRNN, GRU and LSTM: affine maps of the input [N, F] and of the state before it.

    Attributes:
        output_size: Features of the output.
    """

    units: int
    use_bias: bool
    recurrent_activation: Any
    recurrent_initializer: Filler
    bias_initializer: Filler

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"Layer {self.name}: the last dimension of the inputs should be defined, found None")
        columns = self.gates * self.units
        self.kernel = self.add_weight("kernel", (features, columns))
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (self.units, columns), initializer=self._recurrent_filler())
        self.bias = self.add_weight("bias", self.bias_shape(), initializer=self.bias_filler()) if self.use_bias else None
        self.built = True

    def _recurrent_filler(self) -> Filler:
        return self.recurrent_initializer if self.gates == 1 else for_each_gate(self.recurrent_initializer)

    def bias_filler(self) -> Filler:
        """The initializer of the whole bias."""
        return self.bias_initializer

    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.gates * self.units,)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.units)

    def affine(self, xs: Sequence[Value], kernel: Value, bias: Value | None) -> Value:
        """x kernel + bias, of all gates side by side; xs: one for all, or one for each gate."""
        return dense(xs[0], kernel, bias) if len(xs) == 1 else gated_dense(kernel, bias, *xs, units=self.units)

    def gate(self, z: Value, first: int, last: int | None = None) -> Value:
        """The columns in z of gate `first`, or of `first` up to `last`, which is excluded."""
        end = first + 1 if last is None else last
        return z[:, first * self.units : end * self.units]
