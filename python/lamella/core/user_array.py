"""Arrays as functions that users write get them: in a layer's call, in a Lambda, a loss or a metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.core.shapes import TensorShape


class UserArray(np.ndarray[Any, Any]):
    """An array that scripts can use as a tensor of TensorFlow: its shape has as_list(), and `x += y` makes a new array.

    NumPy's own `x += y` would write into what other layers read, and refuses a Tensor as y. What an operator of Python or a
    function of K makes of it is a UserArray, too; an op of lamella returns a plain array.
    """

    @property  # type: ignore[misc]  # NumPy's can be set
    def shape(self) -> Any:
        return TensorShape(super().shape)

    def get_shape(self) -> TensorShape:
        return TensorShape(super().shape)

    __iadd__: Any = np.ndarray.__add__
    __isub__: Any = np.ndarray.__sub__
    __imul__: Any = np.ndarray.__mul__
    __itruediv__: Any = np.ndarray.__truediv__
    __ifloordiv__: Any = np.ndarray.__floordiv__
    __imod__: Any = np.ndarray.__mod__
    __ipow__: Any = np.ndarray.__pow__


def for_user(value: Any) -> Any:
    """`value` with UserArrays, views of the same memory, in the place of plain arrays; also within a list."""
    if type(value) is np.ndarray:
        return value.view(UserArray)
    return [for_user(v) for v in value] if type(value) is list else value


def from_user(value: Any) -> Any:
    """`value` with plain arrays in the place of UserArrays; also within a list or tuple."""
    if isinstance(value, UserArray):
        return np.asarray(value)
    return type(value)(map(from_user, value)) if type(value) in (list, tuple) else value


def of_lamella(thing: object) -> bool:
    """Whether lamella defines a function or class, or the class of an object: no user wrote it."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == "lamella"
