"""What can be said of a graph of layers."""

from __future__ import annotations

from lamella.layers.base import Layer
from lamella.layers.symbolic import Symbolic
from lamella.models.summary import count_params as count_params
from lamella.models.summary import print_summary as print_summary

__all__ = ["count_params", "get_source_inputs", "print_summary"]


def get_source_inputs(tensor: Symbolic, layer: Layer | None = None, node_index: int | None = None) -> list[Symbolic]:
    """The inputs, each once, that are needed to compute `tensor`.

    Args:  layer, node_index: where to start; where `tensor` was made unless both are given.
    Source:  Keras 2.2.5.
    """
    if layer is None or not node_index:
        layer, node_index, _ = tensor._keras_history
    node = layer._inbound_nodes[node_index]
    if not node.inputs:
        return node.outputs
    sources = {id(x): x for before in node.inputs for x in get_source_inputs(before)}
    return list(sources.values())
