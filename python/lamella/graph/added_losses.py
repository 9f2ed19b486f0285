"""Tensors of the graph for losses that runs of layers add: `model.losses` consists of them and of penalties of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamella.core.config import floatx
from lamella.core.configurable import Config
from lamella.core.types import Value
from lamella.graph.layer import Layer
from lamella.graph.run_losses import RunLosses
from lamella.graph.set_in_calls import SetInCall
from lamella.graph.symbolic import Node, Symbolic, node_of
from lamella.ops.reduce import sum as sum_of


class AddedLosses(Layer, self_contained=True):
    """A loss that a call adds before this layer runs. Its inputs only determine when that is.

    K.function and K.gradients, which run a part of the graph, empty the list before that (`emptied` below).

    Args:
        losses: The list of losses.
        node: The node of the call, in the graph that runs.
        place: Which of the losses that this call adds to the list. A slice is their sum.
    """

    supports_masking = True
    makes_masks = False

    def __init__(self, losses: RunLosses, node: object, place: slice) -> None:
        super().__init__()
        self.added, self.node, self.place = losses, node, place

    def call(self, inputs: Value) -> Value:
        return total_of(self.added.of(self.node)[self.place])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()

    def compute_mask(self, inputs: Value, mask: Any = None) -> None:
        return None

    def last_value(self) -> Value:
        """The value in the last run of a model in this thread; 0 before it."""
        return total_of(self.added.of(self.node)[self.place])

    def get_config(self) -> Config:
        raise NotImplementedError(f"Layer {self.name}: an entry of model.losses cannot be saved with a graph")


class AddedLoss(AddedLosses, self_contained=True):
    """A tensor of a model's add_loss, which also has its value in the last run.

    Args:
        losses: The list of the values of all tensors of add_loss.
        position: The position of this one.
    """

    def __init__(self, losses: RunLosses, position: int) -> None:
        super().__init__(losses, None, slice(position, position + 1))

    def call(self, inputs: Value) -> Value:
        return inputs

    def last_value(self) -> Value:
        return total_of(self.added.of_last_call[self.place])


def tensors_of(node: Node, only: RunLosses | None = None) -> list[Symbolic]:
    """A tensor for each loss that a call adds, the same ones each time; one for all if their number is not known.

    Args:
        node: The call.
        only: The list whose losses are wanted; None for all lists.
    """
    found = []
    for losses, count in node.layer.losses_of(node).items() if node.is_computed else ():
        if only is not None and losses is not only:
            continue
        for i in range(1 if count is None else count):
            key = (losses, None if count is None else i)
            if key not in node.added:
                place = slice(None) if count is None else slice(i, i + 1)
                node.added[key] = AddedLosses(losses, node, place)(list(node.outputs))
            found.append(node.added[key])
    return found


def emptied(layers: Iterable[Layer]) -> Callable[[], list[tuple[object, str, object]]]:
    """A function that returns the arguments of a Scope in which the lists that these layers read start empty."""
    read = list(dict.fromkeys(layer.added for layer in layers if isinstance(layer, AddedLosses)))
    return lambda: [(losses, "entries", []) for losses in read]


def total_of(values: list[Any]) -> Value:
    """The sum of scalars; a float of floatx without any."""
    if not values:
        return np.zeros((), floatx())
    total = sum(values[1:], values[0])
    return sum_of(total) if getattr(total, "shape", ()) else total


def last_value_of(x: Symbolic) -> Value | None:
    """The value that x had in the last run of its model, if it is an entry of model.losses or what a `call` stored, else None."""
    layer = node_of(x).layer
    return layer.last_value() if isinstance(layer, (AddedLosses, SetInCall)) else None
