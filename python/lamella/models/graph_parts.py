"""GraphParts: Keras 2.2.5's private names of the parts of a model's graph, for scripts that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from lamella.core.shapes import Shape
from lamella.graph.layer import Layer
from lamella.graph.symbolic import History, Node, Symbolic
from lamella.graph.trace import Graph

T = TypeVar("T")


class GraphParts:
    """Source: Keras 2.2.5 keras/engine/network.py."""

    # Of the network that this is mixed into.
    inputs: list[Symbolic]
    outputs: list[Symbolic]
    input_names: list[str]

    @property
    def _graph(self) -> Graph:
        raise NotImplementedError

    @property
    def layers(self) -> list[Layer]:
        raise NotImplementedError

    def fed(self, of_inputs: Sequence[T]) -> list[T]:
        raise NotImplementedError

    @property
    def _layers(self) -> list[Layer]:
        return self.layers

    @property
    def _nodes_by_depth(self) -> dict[int, list[Node]]:
        """A dict from the number of layers to the farthest output, to the nodes at this depth."""
        return {depth: list(nodes) for depth, nodes in enumerate(reversed(self._graph.by_depth))}

    @property
    def _layers_by_depth(self) -> dict[int, list[Layer]]:
        depths: dict[Layer, int] = {}
        for depth, nodes in self._nodes_by_depth.items():
            depths.update((node.layer, depth) for node in nodes)
        return {d: [layer for layer in self.layers if depths[layer] == d] for d in self._nodes_by_depth}

    @property
    def _network_nodes(self) -> set[str]:
        """The name of each node in this graph, as in Keras: the layer's name, "_ib-", the number of the call."""
        return {f"{node.layer.name}_ib-{node.layer._inbound_nodes.index(node)}" for node in self._graph.nodes}

    @property
    def _input_coordinates(self) -> list[History]:
        """(layer, number of its call, number of the tensor in it) of each input."""
        return [x._keras_history for x in self.inputs]

    @property
    def _output_coordinates(self) -> list[History]:
        """(layer, number of its call, number of the tensor in it) of each output."""
        return [x._keras_history for x in self.outputs]

    @property
    def _input_layers(self) -> list[Layer]:
        return [layer for layer, _, _ in self._input_coordinates]

    @property
    def _output_layers(self) -> list[Layer]:
        return [layer for layer, _, _ in self._output_coordinates]

    @property
    def _feed_inputs(self) -> list[Symbolic]:
        return self.fed(self.inputs)

    @property
    def _feed_input_names(self) -> list[str]:
        return self.fed(self.input_names)

    @property
    def _feed_input_shapes(self) -> list[Shape]:
        return self.fed([x.shape for x in self.inputs])
