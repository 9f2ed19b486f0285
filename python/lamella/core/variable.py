"""Variable: a named array that is updated in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lamella.core.dtype_name import DTypeName, dtype_name
from lamella.core.pickling import PickledByName
from lamella.core.shapes import TensorShape


def owned(array: NDArray[Any]) -> NDArray[Any]:
    """`array`, or a copy if it cannot be updated in place: joblib usually maps the arrays of a file read-only."""
    return array if type(array) is np.ndarray and array.flags.carray else np.array(array, order="C", subok=False)


class Variable(PickledByName):
    """State that is kept between calls: a weight, a moving average, a learning rate.

    `value` is always the same array: updates write into it, so views of it remain valid.

    Args:
        value: The initial value, which is copied.
        name: The name.
        dtype: The dtype; None is that of the value.
        trainable: Whether training changes it.
        constraint: Applied to the value after each update by an optimizer.
        regularizer: Its result for the value is added to the loss.
    """

    __slots__ = ("value", "name", "trainable", "constraint", "regularizer", "__weakref__")

    def __init__(
        self,
        value: ArrayLike,
        name: str = "Variable:0",
        *,
        dtype: DTypeLike | None = None,
        trainable: bool = True,
        constraint: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
        regularizer: Callable[..., object] | None = None,
    ) -> None:
        # Not np.ascontiguousarray, which makes arrays of one axis out of scalars.
        self.value: NDArray[Any] = np.array(value, dtype=dtype, order="C")
        self.name = name
        self.trainable = trainable
        self.constraint = constraint
        self.regularizer = regularizer

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array, with the methods of a shape of TensorFlow, such as as_list()."""
        return TensorShape(self.value.shape)  # type: ignore[return-value]  # none is free

    @property
    def _keras_shape(self) -> tuple[int, ...]:
        return self.value.shape

    def get_shape(self) -> TensorShape:
        """What TensorFlow's variables have beside `shape`."""
        return TensorShape(self.value.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.value.size

    @property
    def dtype(self) -> DTypeName:
        """Name of the dtype."""
        return dtype_name(self.value.dtype.name)

    def assign(self, new: ArrayLike) -> None:
        """Write `new` into the array.

        Raises:
            ValueError: The shapes differ.
        """
        array = np.asarray(new)
        if array.shape != self.value.shape:
            raise ValueError(f"Variable '{self.name}': expected shape {self.value.shape}, got {array.shape}")
        self.value[...] = array

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        self.value = owned(self.value)

    def assign_add(self, delta: ArrayLike) -> None:
        """Add `delta`, in place."""
        self.assign(self.value + np.asarray(delta))

    def assign_sub(self, delta: ArrayLike) -> None:
        """Subtract `delta`, in place."""
        self.assign(self.value - np.asarray(delta))

    def apply_constraint(self) -> None:
        """Replace the value by what the constraint makes of it. Only for a Variable that has a constraint."""
        assert self.constraint is not None
        try:
            self.value[...] = self.constraint(self.value)
        except Exception as error:
            error.add_note(f"in the constraint of {self.name}, of shape {self.shape}")
            raise

    def numpy(self) -> NDArray[Any]:
        """A copy of the value."""
        return self.value.copy()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy:
            return np.array(self.value, dtype=dtype)
        return np.asarray(self.value, dtype=dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __repr__(self) -> str:
        return f"<Variable '{self.name}' shape={self.shape} dtype={self.dtype}>"
