"""The arrays that users' functions get: a layer's call, the function of a Lambda, a loss or a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.shapes import Dim, TensorShape, merged


class UserArray(np.ndarray[Any, Any]):
    """An array that scripts can use like a tensor of TensorFlow: its shape has as_list(), and `x += y` makes a new array.

    NumPy's own `x += y` would change an array that other layers read, and does not accept a Tensor as y. Operators of Python and
    functions of K return UserArrays too; ops of lamella return plain arrays.
    """

    @property  # type: ignore[misc]  # NumPy's shape has a setter
    def shape(self) -> Any:
        return TensorShape(super().shape)

    def get_shape(self) -> TensorShape:
        return TensorShape(super().shape)

    def set_shape(self, shape: Sequence[Dim]) -> None:
        """See `ops.tape.Tensor`."""
        merged(super().shape, shape, "this array")

    __iadd__: Any = np.ndarray.__add__
    __isub__: Any = np.ndarray.__sub__
    __imul__: Any = np.ndarray.__mul__
    __itruediv__: Any = np.ndarray.__truediv__
    __ifloordiv__: Any = np.ndarray.__floordiv__
    __imod__: Any = np.ndarray.__mod__
    __ipow__: Any = np.ndarray.__pow__


def for_user(value: Any) -> Any:
    """`value`, with UserArrays as views in place of plain arrays, also inside of lists."""
    if type(value) is np.ndarray:
        return value.view(UserArray)
    return [for_user(v) for v in value] if type(value) is list else value


def from_user(value: Any) -> Any:
    """`value`, with plain arrays in place of UserArrays, also inside of lists and tuples."""
    if isinstance(value, UserArray):
        return np.asarray(value)
    return type(value)(map(from_user, value)) if type(value) in (list, tuple) else value


def of_lamella(thing: object) -> bool:
    """Whether lamella defines a function or class, or the class of an object, instead of a user."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == "lamella"
