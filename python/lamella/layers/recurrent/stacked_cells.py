"""StackedRNNCells. Source: Keras 2.2.5 keras/layers/recurrent.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamella.core.configurable import Config, deserialize
from lamella.core.lists import to_list
from lamella.core.registry import register
from lamella.core.shapes import Shape
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.graph.layer import Layer
from lamella.layers.recurrent.cell import build_cell, call_cell, output_size_of, sizes_of


@register("layers")
class StackedRNNCells(Layer):
    """Cells that behave as one: the output of each is the input of the next. [N, C] -> [N, units of the last cell].

    Args:
        cells: The cells, the first one first.
        reverse_state_order: By keyword. The states of the last cell come first.

    Deviations from Keras 2.2.5: set_weights sets the weights of all cells, where Keras sets only the first one's;
    reverse_state_order stands in the config.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        self.reverse_state_order = bool(kwargs.pop("reverse_state_order", False))
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"Layer {self.name}: expected a list of cells, got {cells!r}")
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError("All cells must have a `call` method. received cells:", cells)
            if not hasattr(cell, "state_size"):
                raise ValueError("All cells must have a `state_size` attribute. received cells:", cells)
        if self.reverse_state_order:
            warn(
                "`reverse_state_order=True` in `StackedRNNCells` will soon be deprecated. Please update the code to work with "
                "the natural order of states if you rely on the RNN states, eg `RNN(return_state=True)`."
            )
        self.cells = list(cells)

    def _in_state_order(self) -> list[Any]:
        return self.cells[::-1] if self.reverse_state_order else self.cells

    @property
    def state_size(self) -> tuple[int, ...]:
        """The sizes of all cells' states, one after another."""
        return tuple(size for cell in self._in_state_order() for size in sizes_of(cell))

    @property
    def output_size(self) -> int:
        """The number of features of the last cell's output."""
        return output_size_of(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        shapes = to_list(input_shape)
        step: Shape = shapes[0]
        for cell in self.cells:
            build_cell(cell, step, shapes[1:], self.given_dtype)
            step = (step[0], output_size_of(cell))
        self.built = True

    def call(  # type: ignore[override]  # a cell's
        self, inputs: Value, states: Sequence[Value], constants: Sequence[Value] | None = None, training: bool | None = None
    ) -> tuple[Value, list[Value]]:
        """(output of the last cell, new states of all cells). The constants go to the cells whose `call` has this argument."""
        rest, before = list(states), {}
        for cell in self._in_state_order():
            count = len(sizes_of(cell))
            before[id(cell)], rest = rest[:count], rest[count:]
        after: dict[int, list[Value]] = {}
        for cell in self.cells:
            inputs, new = call_cell(cell, inputs, before[id(cell)], constants or (), training)
            after[id(cell)] = list(new)
        return inputs, [state for cell in self._in_state_order() for state in after[id(cell)]]

    def compute_output_shape(self, input_shape: Any) -> Any:
        step = input_shape[0] if isinstance(input_shape, list) else input_shape
        return (step[0], self.output_size)

    @property  # type: ignore[misc]
    def uses_learning_phase(self) -> bool:
        return any(getattr(cell, "uses_learning_phase", False) for cell in self.cells)

    def get_losses_for(self, inputs: Any = None) -> list[Value]:
        return super().get_losses_for(inputs)

    def get_config(self) -> Config:
        return super().get_config() | {"reverse_state_order": self.reverse_state_order}

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> StackedRNNCells:
        """A cell from what `get_config` returned.

        Args:
            config: The arguments.
            custom_objects: Classes and functions by name.
        """
        cells = [deserialize("layers", cell, custom_objects) for cell in config["cells"]]
        return cls(**{**config, "cells": cells})
