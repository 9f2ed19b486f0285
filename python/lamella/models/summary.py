"""The table that `model.summary()` prints, in the layout of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamella.core.shapes import count
from lamella.core.variable import Variable
from lamella.graph.layer import Layer

if TYPE_CHECKING:
    from lamella.models.network import Network


def print_summary(
    model: Network,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], object] | None = None,
) -> None:
    """Print name, output shape and number of parameters of each layer.

    Args:
        model: The model.
        line_length: Characters of a line; None for 65, or 98 with the column of connections.
        positions: Ends of the columns, as fractions of the line or in characters.
        print_fn: Function that is called with each line; None for print.

    Source: Keras 2.2.5.
    """
    say = print_fn or print
    chain = is_chain(model)
    width = line_length or (65 if chain else 98)
    ends = list(positions or ([0.45, 0.85, 1.0] if chain else [0.33, 0.55, 0.67, 1.0]))
    columns = [int(width * p) for p in ends] if ends[-1] <= 1 else [int(p) for p in ends]
    titles = ["Layer (type)", "Output Shape", "Param #"] + ([] if chain else ["Connected to"])

    say(f'Model: "{model.name}"')
    say("_" * width)
    say(_row(titles, columns))
    say("=" * width)
    for i, layer in enumerate(model.layers):
        first = [f"{layer.name} ({type(layer).__name__})", shape_in_calls(layer, "output"), layer.count_params()]
        connections = [] if chain else _connections(model, layer)
        say(_row(first if chain else [*first, connections[0] if connections else ""], columns))
        for connection in connections[1:]:
            say(_row(["", "", "", connection], columns))
        say(("=" if i == len(model.layers) - 1 else "_") * width)

    trainable = count_params(model.trainable_weights)
    rest = count_params(model.non_trainable_weights)
    say(f"Total params: {trainable + rest:,}")
    say(f"Trainable params: {trainable:,}")
    say(f"Non-trainable params: {rest:,}")
    say("_" * width)


def is_chain(model: Network) -> bool:
    """Whether every layer is called once, on the output of the layer before it; as in Keras, models with their own `call` count."""
    if type(model).__name__ == "Sequential" or not getattr(model, "_is_graph_network", True):
        return True
    nodes = [node for level in model._graph.by_depth for node in level]
    straight = all(len(level) == 1 for level in model._graph.by_depth)
    return straight and all(len(n.inputs) <= 1 for n in nodes) and len({n.layer for n in nodes}) == len(nodes)


def _row(fields: Sequence[object], ends: Sequence[int]) -> str:
    line = ""
    for i, (text, end) in enumerate(zip(fields, ends)):
        if i:
            line = line[:-1] + " "
        line = (line + str(text))[:end].ljust(end)
    return line


def shape_in_calls(layer: Layer, which: str) -> object:
    """The layer's "input" or "output" shape, "multiple" if its calls differ; also of a model, whose own shape is a property."""
    at = layer.get_input_shape_at if which == "input" else layer.get_output_shape_at
    shapes = [at(i) for i in range(len(layer._inbound_nodes))]
    if any(shape != shapes[0] for shape in shapes):
        return "multiple"
    try:
        return getattr(layer, f"{which}_shape")
    except AttributeError:
        return "multiple"


def _connections(model: Network, layer: Layer) -> list[str]:
    inside = set(model._graph.nodes)
    names = []
    for node in layer._inbound_nodes:
        if node in inside:
            for x in node.inputs:
                source, node_index, tensor_index = x._keras_history
                names.append(f"{source.name}[{node_index}][{tensor_index}]")
    return names


def count_params(weights: Sequence[Variable]) -> int:
    """The number of elements of all weights, each weight counted once."""
    return sum(count(w.shape) for w in {id(w): w for w in weights}.values())
