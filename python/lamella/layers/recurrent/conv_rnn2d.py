"""ConvRNN2D: a cell of maps over time. Source: Keras 2.2.5 keras/layers/convolutional_recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamella.core.lists import to_list
from lamella.core.shapes import Shape
from lamella.graph.input_spec import InputSpec
from lamella.layers.recurrent.rnn import RNN


class ConvRNN2D(RNN):
    """A cell over the steps of [N, T, H, W, C], or [N, T, C, H, W], whose states are maps; see RNN.

    Args:
        cell: One cell that tells the shape of its output, `compute_output_shape((N, H, W, C))`, which is that of each state, but
            for the number of maps, which `state_size` says.

    Raises:
        TypeError: For a list of cells, and unroll=True.
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        if unroll:
            raise TypeError("Unrolling isn't possible with convolutional RNNs.")
        if isinstance(cell, (list, tuple)):
            raise TypeError("It is not possible at the moment to stack convolutional cells.")
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.input_spec = InputSpec(ndim=5)

    def output_of_step(self, x: Shape) -> Shape:
        y: Shape = self.cell.compute_output_shape((x[0], *x[2:]))
        return y

    def state_shapes(self, x: Shape) -> list[Shape]:
        y = self.output_of_step(x)
        axis = 1 if getattr(self.cell, "data_format", "channels_last") == "channels_first" else 3
        sizes = self.cell.state_size
        return [(*y[:axis], size, *y[axis + 1 :]) for size in to_list(sizes, allow_tuple=True)]

    def check_states(self, shapes: Sequence[Shape]) -> None:
        wanted = len(self.states)
        if shapes and len(shapes) != wanted:
            raise ValueError(f"Layer {self.name}: Layer has {wanted} states but was passed {len(shapes)} initial states.")
        if any(len(shape) != 4 for shape in shapes):
            raise ValueError(
                f"Layer {self.name}: An `initial_state` was passed that is not compatible with `cell.state_size`. Received shapes "
                f"{list(shapes)}; expected maps with 4 axes"
            )

    def _demand_sizes(self, x: Shape) -> None:
        super()._demand_sizes(x)
        if None in x[2:]:
            raise ValueError(f"Layer {self.name}: a stateful layer needs to know the size of its maps, got inputs of shape {x}")
