"""Arithmetic of shapes. A dimension is an int, or None if it is not known before there is data."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import SupportsIndex, overload

Dim = int | None
Shape = tuple[Dim, ...]


class Dimension(int):
    """A size with the attribute `value`, which scripts for TensorFlow 1 use. Sums, differences and products have it, too."""

    @property
    def value(self) -> int:
        return int(self)


def _of_dimensions(name: str) -> Callable[[Dimension, object], object]:
    compute = getattr(int, name)

    def method(self: Dimension, other: object) -> object:
        found = compute(self, other)
        return Dimension(found) if type(found) is int else found

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    for _start in ("__", "__r"):
        setattr(Dimension, f"{_start}{_name}__", _of_dimensions(f"{_start}{_name}__"))


def merged(shape: Sequence[Dim], given: Sequence[Dim], who: object) -> Shape:
    """`shape` with the sizes of `given` where its own are unknown.

    Raises:
        ValueError: A known size differs, or the number of axes does.
    """
    if len(given) != len(shape) or any(a is not None and b not in (None, a) for a, b in zip(shape, given)):
        raise ValueError(f"set_shape: {tuple(given)} contradicts the shape {tuple(shape)} of {who}")
    return tuple(b if a is None else a for a, b in zip(shape, given))


class TensorShape(tuple[Dim, ...]):
    """A shape with the methods that scripts for TensorFlow use.

    It is a tuple of ints and None, where None is an unknown size. An index gives a Dimension, or None, which has no `value`. A
    slice gives a TensorShape.
    """

    @overload
    def __getitem__(self, key: SupportsIndex) -> Dim: ...
    @overload
    def __getitem__(self, key: slice) -> TensorShape: ...
    def __getitem__(self, key: SupportsIndex | slice) -> Dim | TensorShape:
        found = super().__getitem__(key)
        if isinstance(found, tuple):
            return TensorShape(found)
        return None if found is None else Dimension(found)

    def as_list(self) -> list[Dim]:
        return list(self)

    @property
    def ndims(self) -> int:
        return len(self)

    def is_fully_defined(self) -> bool:
        return None not in self


def window_length(size: Dim, window: int, stride: int, padding: str, dilation: int = 1) -> Dim:
    """The number of windows along one axis. It is None if size is None, and never negative.

    With reach = (window - 1) * dilation + 1 it is floor((size - reach) / stride) + 1 for "valid", ceil(size / stride) for "same"
    and "causal". For "full" it is that of "valid" after adding reach - 1 zeros at both ends.

    Args:
        size: The size of the axis.
        window: Number of places of the window.
        stride: The stride.
        padding: "valid" | "same" | "causal" | "full".
        dilation: The dilation.

    Raises:
        ValueError: The padding is unknown.
    """
    if padding not in ("valid", "same", "causal", "full"):
        raise ValueError(f'expected padding to be "valid", "same", "causal" or "full", got {padding!r}')
    if size is None:
        return None
    if padding in ("same", "causal"):
        return -(-size // stride)
    reach = (window - 1) * dilation + 1
    if padding == "full":
        size += 2 * (reach - 1)
    return max(0, (size - reach) // stride + 1)


def pad_amounts(size: int, window: int, stride: int, padding: str, dilation: int = 1) -> tuple[int, int]:
    """The numbers of zeros before and after one axis. For "same" with an odd sum there is one more after, as in TensorFlow."""
    if padding == "valid":
        return 0, 0
    reach = (window - 1) * dilation + 1
    if padding == "causal":
        return reach - 1, 0
    if padding == "full":
        return reach - 1, reach - 1
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    return total // 2, total - total // 2


def transposed_length(size: Dim, window: int, stride: int, padding: str, output_padding: int | None, dilation: int = 1) -> Dim:
    """The size of an axis after a transposed convolution; None if size is None.

    Args:
        size: The size before.
        window: Number of places of the window.
        stride: The stride.
        padding: "valid" | "same" | "full".
        output_padding: Number of places that are added; None for the default size.
        dilation: The dilation.

    Source: Keras 2.2.5 keras/utils/conv_utils.py.
    """
    if size is None:
        return None
    reach = (window - 1) * dilation + 1
    if output_padding is not None:
        pad = {"same": reach // 2, "valid": 0, "full": reach - 1}[padding]
        return (size - 1) * stride + reach - 2 * pad + output_padding
    if padding == "valid":
        return size * stride + max(reach - stride, 0)
    return size * stride - (stride + reach - 2 if padding == "full" else 0)


def normalize_tuple(value: int | Sequence[int], n: int, name: str, least: int = 1) -> tuple[int, ...]:
    """A tuple of n ints.

    Args:
        value: An int, which is repeated n times, or n ints.
        n: The length.
        name: The argument, for messages.
        least: The smallest accepted number.

    Raises:
        ValueError: It is something else. The message begins with Keras's text.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        entries: tuple[object, ...] = (value,) * n
    else:
        try:
            entries = tuple(value)  # type: ignore[arg-type]
        except TypeError:
            raise ValueError(_not_a_tuple(name, n, value)) from None
        if len(entries) != n:
            raise ValueError(_not_a_tuple(name, n, value))
    numbers = []
    for entry in entries:
        try:
            number = int(entry)  # type: ignore[call-overload]
        except (TypeError, ValueError):
            raise ValueError(f"{_not_a_tuple(name, n, value)} including element {entry} of type {type(entry)}") from None
        if number != entry or number < least:
            kind = "positive integer" if least else "non-negative integer"
            raise ValueError(f"{_not_a_tuple(name, n, value)} including element {entry}, which is not a {kind}")
        numbers.append(number)
    return tuple(numbers)


def _not_a_tuple(name: str, n: int, value: object) -> str:
    return f"The `{name}` argument must be a tuple of {n} integers. Received: {value}"


def normalize_sides(value: object, n: int, name: str) -> tuple[object, ...]:
    """The padding or cropping of n axes as pairs (before, after).

    Args:
        value: A number for all 2n sides, one number for each axis, or n pairs.
        n: The number of axes.
        name: The argument, for messages.

    Returns:
        n pairs; for one axis only the pair, as in Keras's configs.

    Raises:
        ValueError: It is something else, with the text of Keras, or a number is below 0.
    """
    if n == 1:
        return _pair(value, name)
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return (_pair(value, name),) * n
    if not isinstance(value, (list, tuple)):
        raise ValueError(
            f"`{name}` should be either an int, a tuple of {n} ints, or a tuple of {n} tuples of 2 ints. Found: {value!r}"
        )
    if len(value) != n:
        raise ValueError(f"`{name}` should have {_COUNTED[n]} elements. Found: {value}")
    return tuple(_pair(entry, name) for entry in value)


_COUNTED = {2: "two", 3: "three"}


def _pair(value: object, name: str) -> tuple[int, int]:
    entries = list(value) if isinstance(value, (list, tuple)) else [value, value]
    numbers = [operator.index(e) if hasattr(e, "__index__") and not isinstance(e, bool) else -1 for e in entries]
    if len(numbers) != 2 or min(numbers) < 0:
        raise ValueError(f"The `{name}` argument must be a tuple of 2 integers of at least 0. Received: {value!r}")
    return numbers[0], numbers[1]


def normalize_padding(value: str, allowed: Sequence[str] = ("valid", "same")) -> str:
    """The padding in lower case.

    Raises:
        ValueError: It is not one of `allowed`.
    """
    name = value.lower() if isinstance(value, str) else value
    if name not in allowed:
        words = ", ".join(f'"{word}"' for word in allowed)
        raise ValueError(f"The `padding` argument must be one of {words}. Received: {value}")
    return name


def as_axis(value: object) -> int:
    """An axis as an int of Python.

    Raises:
        TypeError: It is not a whole number.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"expected axis to be a whole number, got {value!r}")
    return operator.index(value)


def normalize_axis(axis: int, ndim: int, who: str | None = None) -> int:
    """`axis`, counted from the first axis.

    Raises:
        ValueError: It is outside [-ndim, ndim). The message begins with `who`, if given.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"{'' if who is None else f'{who}: '}expected an axis in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


def count(shape: Sequence[int]) -> int:
    """The number of elements."""
    total = 1
    for dim in shape:
        total *= dim
    return total


def as_shape(value: object) -> Shape:
    """A shape as a tuple of Python ints and None, from a list, a tuple or one int. Configs from JSON have lists.

    Raises:
        ValueError: A size is negative or not a whole number, or it is another object.
    """
    try:
        entries = [value] if hasattr(value, "__index__") else list(value)  # type: ignore[call-overload]
        shape: Shape = tuple(None if d is None else operator.index(d) for d in entries)
    except TypeError:
        raise ValueError(f"expected a shape, integers and None, got {value!r}") from None
    if any(d is not None and d < 0 for d in shape):
        raise ValueError(f"expected a shape without negative sizes, got {value!r}")
    return shape
