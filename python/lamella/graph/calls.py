"""The calls of a layer in graphs: its inputs, outputs, masks and shapes, under the names of Keras."""

from __future__ import annotations

from typing import Any

from lamella.core.lists import unpack_singleton
from lamella.core.shapes import Shape
from lamella.graph.symbolic import Node, Symbolic, readers

Symbols = Any  # one Symbolic, or a list of them


class CallHistory:
    """The attributes of a layer that describe its calls. Source: Keras 2.2.5 keras/engine/base_layer.py."""

    # The index of a layer's first call. For a model, call 0 is its own graph.
    first_node = 0

    name: str
    _inbound_nodes: list[Node]

    @property
    def _outbound_nodes(self) -> list[Node]:
        """The nodes that read the outputs of this layer, as long as their layers exist."""
        return readers(x for node in self._inbound_nodes if not node.own for x in node.outputs)

    @property
    def input(self) -> Symbols:
        """Raises AttributeError unless the layer was called exactly once."""
        return unpack_singleton(self._only_node("input").inputs)

    @property
    def output(self) -> Symbols:
        """Raises AttributeError unless the layer was called exactly once."""
        return unpack_singleton(self._only_node("output").outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of the inputs, or a list. Raises AttributeError unless it is the same in all calls."""
        return self._only_shape("input")

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, or a list. Raises AttributeError unless it is the same in all calls."""
        return self._only_shape("output")

    def get_input_at(self, node_index: int) -> Symbols:
        """The inputs of one call, in graphs.

        Args:
            node_index: Index of the call.

        Raises:
            ValueError: There is no such call.
            RuntimeError: The layer was never called.
        """
        return unpack_singleton(self._node_at(node_index, "input").inputs)

    def get_output_at(self, node_index: int) -> Symbols:
        """The outputs of the call with this index; see `get_input_at`."""
        return unpack_singleton(self._node_at(node_index, "output").outputs)

    @property
    def input_mask(self) -> Any:
        """The symbolic mask of the inputs, None without one. Raises AttributeError unless the layer was called exactly once."""
        return unpack_singleton(self._only_node("input mask").input_masks)

    @property
    def output_mask(self) -> Any:
        """The symbolic mask of the outputs, None without one. Raises AttributeError unless the layer was called exactly once."""
        return unpack_singleton(self._only_node("output mask").output_masks)

    def get_input_mask_at(self, node_index: int) -> Any:
        """The masks of the inputs of the call with this index; see `get_input_at`."""
        return unpack_singleton(self._node_at(node_index, "input mask").input_masks)

    def get_output_mask_at(self, node_index: int) -> Any:
        """The masks of the outputs of the call with this index; see `get_input_at`."""
        return unpack_singleton(self._node_at(node_index, "output mask").output_masks)

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of the inputs of the call with this index; see `get_input_at`."""
        return _shapes(self._node_at(node_index, "input shape").inputs)

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of the outputs of the call with this index; see `get_input_at`."""
        return _shapes(self._node_at(node_index, "output shape").outputs)

    def _only_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(f"Layer {self.name} is not connected, no {what} to return.")
        if len(self._inbound_nodes) > 1:
            raise AttributeError(
                f'Layer {self.name} has multiple inbound nodes, hence the notion of "layer {what}" is ill-defined. '
                f"Use `get_{what}_at(node_index)` instead."
            )
        return self._inbound_nodes[0]

    def _only_shape(self, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f'The layer "{self.name}" has never been called and thus has no defined {what} shape.')
        shapes = [_shapes(node.inputs if what == "input" else node.outputs) for node in self._inbound_nodes]
        if any(shape != shapes[0] for shape in shapes):
            raise AttributeError(
                f'The layer "{self.name}" has multiple inbound nodes, with different {what} shapes. Hence the notion of '
                f'"{what} shape" is ill-defined for the layer. Use `get_{what}_shape_at(node_index)` instead.'
            )
        return shapes[0]

    def _node_at(self, index: int, what: str) -> Node:
        if not self._inbound_nodes:
            raise RuntimeError(f"The layer has never been called and thus has no defined {what}.")
        if not -len(self._inbound_nodes) <= index < len(self._inbound_nodes):
            raise ValueError(
                f"Asked to get {what} at node {index}, but the layer has only {len(self._inbound_nodes)} inbound nodes."
            )
        return self._inbound_nodes[index]


def _shapes(tensors: list[Symbolic]) -> Shape | list[Shape]:
    return unpack_singleton([x.shape for x in tensors])  # type: ignore[no-any-return]
