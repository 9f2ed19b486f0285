"""K: sparse values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamella.core.types import Array
from lamella.graph.checked import checked

__all__ = ["is_sparse", "to_dense"]


class SparseValue(NamedTuple):
    """An array that is 0 except for some elements. The names are TensorFlow's.

    Attributes:
        indices: int64 [M, number of axes], in ascending order.
        values: [M], the elements at these indices.
        dense_shape: The shape of the whole array.
    """

    indices: Array
    values: Array
    dense_shape: tuple[int, ...]


@checked
def is_sparse(tensor: object) -> bool:
    """Whether `tensor` is a sparse matrix of SciPy, which fit accepts as data, or a SparseValue."""
    return isinstance(tensor, SparseValue) or hasattr(tensor, "tocoo")


@checked
def to_dense(tensor: Any) -> Any:
    """A sparse `tensor` as an array with zeros; anything else is returned itself."""
    if isinstance(tensor, SparseValue):
        dense = np.zeros(tensor.dense_shape, tensor.values.dtype)
        dense[tuple(tensor.indices.T)] = tensor.values
        return dense
    return tensor.toarray() if is_sparse(tensor) else tensor
