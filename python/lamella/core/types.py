"""The types of what flows through the rooms; `Shape` stands in core/shapes.py."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

# What functions of tensors take and return: an array, a Variable, a tape's Tensor, a symbolic tensor or a number. What comes out
# depends on what went in, which types cannot say without an overload for each.
Value: TypeAlias = Any
