"""The part of the graph between inputs and outputs: its nodes in order, and its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.graph.input import InputLayer, Placeholder
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Node, Symbolic, node_of


@dataclass
class Graph:
    """The part of a graph between inputs and outputs.

    Attributes:
        nodes: The nodes in an order that can be run, those of the inputs first.
        layers: The layers in Keras's order, which is the order of get_weights.
        by_depth: The nodes at each distance from the outputs, the farthest first, in Keras's order.
    """

    nodes: list[Node]
    layers: list[Layer]
    by_depth: list[list[Node]]


def trace(inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], *, equal_names: bool = False, outside: bool = True) -> Graph:
    """The graph between inputs and outputs.

    Args:
        inputs: The inputs.
        outputs: The outputs.
        equal_names: Whether two layers may have the same name.
        outside: Whether the graph contains what calls read without an argument (`Node.outside`). As in Keras 2.2.5, such layers
            are none of the model's layers.

    Raises:
        ValueError: An output depends on a tensor that does not come from `inputs`, or two layers have the same name.
    """
    finished, layers = walk(inputs, outputs, outside=outside)
    _check_connected(inputs, finished, outside=outside)
    node_depths, layer_depths = _depths(finished)
    for x in inputs:
        layer, node = x._keras_history[0], node_of(x)
        if node not in node_depths:  # an input that no output reads
            finished.append(node)
            layers.setdefault(layer, -1)
            node_depths[node] = layer_depths[layer] = 0
    by_depth: list[list[Node]] = [[] for _ in range(max(node_depths.values(), default=-1) + 1)]
    for node, depth in node_depths.items():
        by_depth[-1 - depth].append(node)
    # Within a depth, layers are in the order in which the walk from the outputs visits them.
    ordered = sorted(layers, key=lambda layer: (-layer_depths[layer], layers[layer]))
    if not equal_names:
        _check_names(ordered)
    return Graph(sorted(finished, key=lambda node: -node_depths[node]), ordered, by_depth)


def walk(
    inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], *, outside: bool = True
) -> tuple[list[Node], dict[Layer, int]]:
    """Walk depth-first from the outputs: nodes in the order of completion (inputs before users), layers in the order of visits."""
    sources = {id(x) for x in inputs}
    layers: dict[Layer, int] = {}
    finished: dict[Node, None] = {}
    for output in outputs:
        stack: list[tuple[Node, int]] = [(node_of(output), 0)]
        while stack:
            node, i = stack.pop()
            if i == 0:
                if node in finished:
                    continue
                layers.setdefault(node.layer, len(layers))
            reads = node.reads if outside else node.arguments_read
            # The walk ends at a tensor that is an input, also if a layer made it.
            if any(id(x) in sources for x in node.outputs) or i == len(reads):
                finished[node] = None
            else:
                stack += [(node, i + 1), (node_of(reads[i]), 0)]
    return list(finished), layers


def calls_between(inputs: Sequence[Symbolic], outputs: Sequence[Symbolic]) -> list[Node]:
    """The nodes between `inputs` and `outputs` in an order that can be run, with the nodes of inputs that have their own value.

    Unlike in a model, layers may have equal names.

    Raises:
        ValueError: An output depends on a tensor that does not come from `inputs`.
    """
    nodes, _ = walk(inputs, outputs)
    _check_connected([*inputs, *held_values(nodes)], nodes)
    return nodes


def held_values(nodes: Sequence[Node]) -> dict[Symbolic, Array | Variable]:
    """The inputs among these nodes that have their own value, and the values."""
    found: dict[Symbolic, Array | Variable] = {}
    for node in nodes:
        if isinstance(node.layer, InputLayer) and node.layer.source is not None:
            found[node.outputs[0]] = node.layer.source
    return found


def _check_connected(inputs: Sequence[Symbolic], nodes: Sequence[Node], *, outside: bool = True) -> None:
    available = {id(x) for x in inputs}
    passed: list[str] = []
    for node in nodes:
        made = any(id(x) in available for x in node.outputs)
        reads = node.reads if outside else node.arguments_read
        missing = node.outputs if not node.is_computed else [x for x in reads if id(x) not in available]
        if missing and not made:
            raise ValueError(
                f'Graph disconnected: cannot obtain value for tensor {missing[0]!r} at layer "{node.layer.name}". '
                f"The following previous layers were accessed without issue: {passed}"
            )
        available.update(id(x) for x in node.outputs)
        passed.append(node.layer.name)


def _depths(finished: Sequence[Node]) -> tuple[dict[Node, int], dict[Layer, int]]:
    """The longest distance of each node to an output. The depth of a layer is that of its farthest node."""
    node_depths: dict[Node, int] = {}
    layer_depths: dict[Layer, int] = {}
    inside = set(finished)
    for node in reversed(finished):
        depth = max(node_depths.get(node, 0), layer_depths.get(node.layer, 0))
        node_depths[node] = layer_depths[node.layer] = depth
        for before in node.inbound_nodes:
            if before in inside:
                node_depths[before] = max(depth + 1, node_depths.get(before, 0))
    return node_depths, layer_depths


def _check_names(layers: Sequence[Layer]) -> None:
    for name, times in Counter(layer.name for layer in layers).items():
        if times > 1:
            raise ValueError(f'The name "{name}" is used {times} times in the model. All layer names should be unique.')


def check_ends(inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], *, placeholders: bool = False) -> None:
    """Raise ValueError unless inputs and outputs of a model are symbolic tensors, and each input occurs once.

    Args:
        inputs: The inputs.
        outputs: The outputs.
        placeholders: Whether an input may be of K.placeholder.
    """
    if len({id(x) for x in inputs}) < len(inputs):
        raise ValueError(
            f"The list of inputs passed to the model is redundant. All inputs should only appear once. Found: {inputs}"
        )
    for x in inputs:
        if not isinstance(x, Symbolic):
            raise ValueError(f"Input tensors to a Model must come from `keras.layers.Input`. Received: {x}")
        if isinstance(x._keras_history[0], Placeholder) and not placeholders:
            raise ValueError(f"Input tensors to a Model must come from `keras.layers.Input`. Received: {x}, of K.placeholder")
        if not isinstance(x._keras_history[0], InputLayer):
            warn(
                f"Model inputs must come from `keras.layers.Input`; {x} is the output of a layer: the model runs, but "
                f"its config cannot be saved."
            )
    for x in outputs:
        if not isinstance(x, Symbolic):
            raise ValueError(
                "Output tensors to a Model must be the output of a Keras `Layer` (thus holding past layer metadata). "
                f"Found: {x}"
            )


def unique_names(names: Sequence[str]) -> list[str]:
    """Two outputs of one layer: dense_1, dense_1_1."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        result.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return result
