"""Private functions of keras/engine/base_layer.py that scripts import. Source: Keras 2.2.5."""

from __future__ import annotations

from typing import Any

from lamella.core.lists import to_list, unpack_singleton
from lamella.graph.function import Function
from lamella.graph.input import Placeholder
from lamella.graph.symbolic import Symbolic, mask_of, node_of


def _collect_previous_mask(input_tensors: Any) -> Any:
    """The mask of a tensor, or None without one; for several tensors a list. Results of K and of operators have none."""
    return unpack_singleton([_mask(x) for x in to_list(input_tensors)])


def _collect_input_shape(input_tensors: Any) -> Any:
    """The shape of a tensor as a tuple; for several tensors a list of these."""
    return unpack_singleton([tuple(x.shape) for x in to_list(input_tensors)])


def _mask(x: Any) -> Any:
    made_by_layer = isinstance(x, Symbolic) and not isinstance(node_of(x).layer, (Function, Placeholder))
    return mask_of(x) if made_by_layer else None
