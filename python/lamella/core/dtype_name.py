"""The dtype of Variables and symbolic tensors: its name, with the attributes that scripts for TensorFlow read."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np


class DTypeName(str):
    """The name of a dtype, as `str(x.dtype)`, `x.dtype.name` and `x.dtype == "float32"` expect it."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self)

    @property
    def base_dtype(self) -> DTypeName:
        return self

    @property
    def as_numpy_dtype(self) -> Any:
        """The class of NumPy's numbers."""
        return np.dtype(str(self)).type

    @property
    def is_floating(self) -> bool:
        return np.dtype(str(self)).kind == "f"

    @property
    def is_integer(self) -> bool:
        return np.dtype(str(self)).kind in "iu"


@functools.cache
def dtype_name(name: str) -> DTypeName:
    """The DTypeName of a name, made once."""
    return DTypeName(name)
