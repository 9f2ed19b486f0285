"""The types of arrays and tensors. `Shape` is defined in core/shapes.py."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

# An argument or result of functions of tensors: an array, a Variable, a Tensor of a tape, a symbolic tensor or a number. The type
# of the result depends on the arguments, and types could express this only by an overload for each.
Value: TypeAlias = Any
