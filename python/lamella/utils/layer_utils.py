"""Inputs, numbers of weights and summaries of graphs, and conversions of weights. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella.core.keras_names import complete as _complete
from lamella.graph.layer import Layer
from lamella.graph.symbolic import Symbolic
from lamella.models.network import Network
from lamella.models.summary import count_params as count_params
from lamella.models.summary import print_summary as print_summary
from lamella.utils.conv_utils import convert_kernel as convert_kernel

__all__ = [
    "convert_all_kernels_in_model", "convert_dense_weights_data_format", "convert_kernel", "count_params", "get_source_inputs",
    "print_summary",
]  # fmt: skip


def get_source_inputs(tensor: Symbolic, layer: Layer | None = None, node_index: int | None = None) -> list[Symbolic]:
    """The inputs that are needed to compute `tensor`, each once.

    Args:
        tensor: A symbolic tensor.
        layer: The layer at which to start.
        node_index: The index of the layer's call. Unless both are given, the start is the call that made `tensor`.

    Source: Keras 2.2.5.
    """
    if layer is None or not node_index:
        layer, node_index, _ = tensor._keras_history
    sources: dict[int, Symbolic] = {}
    seen = set()  # the number of paths grows exponentially if a network often branches and joins
    waiting = [layer._inbound_nodes[node_index]]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not node.is_computed:
            sources |= {id(x): x for x in node.outputs}
        waiting += reversed(node.inbound_nodes)
    return list(sources.values())


def convert_all_kernels_in_model(model: Network) -> None:
    """Rotate the kernels of all convolutions by 180 degrees, in place. This converts Theano's kernels to ours, and back.

    Args:
        model: A model, whose Conv1D, Conv2D, Conv3D and Conv2DTranspose are changed.
    """
    for layer in model.layers:
        if type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose"):
            kernel, *others = layer.get_weights()
            layer.set_weights([convert_kernel(kernel), *others])


def convert_dense_weights_data_format(
    dense: Layer, previous_feature_map_shape: Sequence[int], target_data_format: str = "channels_first"
) -> None:
    """Reorder, in place, the rows of a Dense layer's kernel for a Flatten of maps in another data format.

    Args:
        dense: The Dense layer after the Flatten.
        previous_feature_map_shape: Shape of one input of the Flatten, (C, H, W) or (H, W, C), in the target format.
        target_data_format: "channels_first" or "channels_last".

    Raises:
        ValueError: target_data_format is neither, or the shape's size is not the number of the kernel's rows.
    """
    if target_data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            'convert_dense_weights_data_format: expected target_data_format "channels_first" or "channels_last", got '
            f"{target_data_format!r}"
        )
    kernel, *bias = dense.get_weights()
    shape = tuple(previous_feature_map_shape)
    if len(shape) != 3 or np.prod(shape) != len(kernel):
        raise ValueError(f"convert_dense_weights_data_format: expected three sizes whose product is {len(kernel)}, got {shape}")
    if target_data_format == "channels_first":
        maps = kernel.reshape(*shape[1:], shape[0], -1).transpose(2, 0, 1, 3)
    else:
        maps = kernel.reshape(shape[2], *shape[:2], -1).transpose(1, 2, 0, 3)
    dense.set_weights([maps.reshape(kernel.shape), *bias])


_complete(__name__)
