"""The arrays that users' functions get: a layer's call, the function of a Lambda, a loss or a metric."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.shapes import Dim, TensorShape, count, merged
from lamella.core.types import Array

# For a function of NumPy of two arrays of one dtype, float32 or float64: from how many elements on, and by what, it is computed
# faster than by NumPy. lamella.ops.broadcast fills it.
faster: dict[np.ufunc, tuple[int, Callable[[Array, Array], Array]]] = {}


# What stands for constants beside a tensor. The tensors of a run are UserArrays.
CONSTANTS = frozenset({np.ndarray, list, tuple})


class UserArray(np.ndarray[Any, Any]):
    """An array that scripts can use like a tensor of TensorFlow: its shape has as_list(), and `x += y` makes a new array.

    NumPy's own `x += y` would change an array that other layers read, and does not accept a Tensor as y. Operators of Python and
    functions of K return UserArrays too; ops of lamella return plain arrays.
    """

    @property  # type: ignore[misc]  # NumPy's shape has a setter
    def shape(self) -> Any:
        return TensorShape(super().shape)

    @property
    def _keras_shape(self) -> tuple[int, ...]:
        """See `ops.tape.Tensor`."""
        return tuple(super().shape)

    @_keras_shape.setter
    def _keras_shape(self, shape: Sequence[Dim]) -> None:
        self.set_shape(shape)

    def get_shape(self) -> TensorShape:
        return TensorShape(super().shape)

    def set_shape(self, shape: Sequence[Dim]) -> None:
        """See `ops.tape.Tensor`."""
        merged(super().shape, shape, "this array")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: tuple[Any, ...] | None = None, **options: Any
    ) -> Any:
        """As a tensor, a floating array keeps its dtype beside numbers, lists and plain arrays: `x * np.ones(5)` has x's.

        NumPy would compute float64, as in `K.dot(q, k) / np.sqrt(64)`, because `np.sqrt(64)` is of that type.
        """
        floating = any(isinstance(v, np.ndarray) and v.dtype.kind == "f" for v in inputs)
        given = [v.item() if floating and isinstance(v, np.floating | np.integer) else _plain(v) for v in inputs]
        if not CONSTANTS.isdisjoint(map(type, inputs)) and _takes_two_numbers(ufunc, method):
            dtypes = {v.dtype for v in inputs if isinstance(v, UserArray)}  # of one tensor; empty if it is only the output
            given = [as_beside(v, *dtypes) if dtypes and type(x) in CONSTANTS else v for v, x in zip(given, inputs)]
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        function, two = None, None
        if ufunc in faster and method == "__call__" and not options:
            size, function = faster[ufunc]
            two = _of_one_dtype(given) if broadcasts_to_many(given, size) else None
        result = getattr(ufunc, method)(*given, **options) if two is None or function is None else function(*two)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return tuple(map(_of_ufunc, result)) if isinstance(result, tuple) else _of_ufunc(result)

    __iadd__: Any = np.ndarray.__add__
    __isub__: Any = np.ndarray.__sub__
    __imul__: Any = np.ndarray.__mul__
    __itruediv__: Any = np.ndarray.__truediv__
    __ifloordiv__: Any = np.ndarray.__floordiv__
    __imod__: Any = np.ndarray.__mod__
    __ipow__: Any = np.ndarray.__pow__


def as_beside(value: Any, dtype: np.dtype[Any]) -> Any:
    """An array or list of numbers in the dtype of the floating tensor that it is combined with, as in TensorFlow.

    Args:
        value: What a script gives beside a tensor. All but arrays and lists is returned as it is.
        dtype: The dtype of the tensor; if it is not floating, the value is returned as it is.
    """
    if dtype.kind != "f" or not isinstance(value, (np.ndarray, list, tuple)):
        return value
    array = np.asarray(value)
    return array.astype(dtype, copy=False) if array.dtype.kind in "iuf" else value


def _takes_two_numbers(ufunc: np.ufunc, method: str) -> bool:
    """Not so the indices of np.add.reduceat and np.negative.at, and the exponents of ldexp."""
    return ufunc.nin == 2 and method in ("__call__", "outer") and ufunc is not np.ldexp


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, UserArray) else value


def broadcasts_to_many(xs: Sequence[Any], least: int) -> bool:
    """Whether two numbers or arrays, broadcast, may have `least` elements or more."""
    sizes = [x.size if isinstance(x, np.ndarray) else 1 for x in xs]
    if max(sizes) >= least:
        return True
    if len(sizes) != 2 or sizes[0] * sizes[1] < least or xs[0].shape == xs[1].shape:
        return False
    return count([max(pair) for pair in itertools.zip_longest(*(reversed(x.shape) for x in xs), fillvalue=1)]) >= least


def _of_one_dtype(values: Sequence[Any]) -> list[Array] | None:
    """Two floating arrays of one dtype, or one and a number, as arrays; else None."""
    dtypes = {v.dtype for v in values if isinstance(v, np.ndarray)}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if dtype not in (np.float32, np.float64) or not all(isinstance(v, np.ndarray) or type(v) in (int, float) for v in values):
        return None
    return [np.asarray(v, dtype) for v in values]


def _of_ufunc(result: Any) -> Any:
    """What NumPy makes of a result for a class of its own: also numbers become arrays of it."""
    return np.asarray(result).view(UserArray) if isinstance(result, np.ndarray | np.generic) else result


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
