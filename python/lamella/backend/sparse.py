"""K: tensors of which only some elements are given."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamella.core.types import Array
from lamella.graph.checked import checked

__all__ = ["is_sparse", "to_dense"]


class SparseValue(NamedTuple):
    """indices: int64 [M, axes], in order.  values: [M].  dense_shape: of the whole, elsewhere 0. As TensorFlow names them."""

    indices: Array
    values: Array
    dense_shape: tuple[int, ...]


@checked
def is_sparse(tensor: object) -> bool:
    """Whether it is a sparse matrix, which the data of a fit may be, or a SparseValue; no other tensor is."""
    return isinstance(tensor, SparseValue) or hasattr(tensor, "tocoo")


@checked
def to_dense(tensor: Any) -> Any:
    """An array with zeros where nothing is given; what is not sparse itself."""
    if isinstance(tensor, SparseValue):
        dense = np.zeros(tensor.dense_shape, tensor.values.dtype)
        dense[tuple(tensor.indices.T)] = tensor.values
        return dense
    return tensor.toarray() if is_sparse(tensor) else tensor
