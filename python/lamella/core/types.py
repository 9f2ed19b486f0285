"""The types of arrays, tensors and axes. `Shape` is defined in core/shapes.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = list[Array]
Floats: TypeAlias = NDArray[np.float64]

# An axis, several, or all.
Axes: TypeAlias = int | Sequence[int] | None

# An argument or result of functions of tensors: an array, a Variable, a Tensor of a tape, a symbolic tensor or a number. The type
# of the result depends on the arguments, and types could express this only by an overload for each.
Value: TypeAlias = Any
