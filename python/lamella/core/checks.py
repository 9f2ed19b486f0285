"""Checks of users' arrays and numbers. An error names the argument."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from numbers import Real

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lamella.core.warn import warn


def as_array(x: object, dtype: DTypeLike, who: str) -> NDArray[np.generic]:
    """`x` as a C-contiguous, aligned array of `dtype` in native byte order. If `x` is one, it is returned itself.

    An array of objects that are all numbers is converted, such as the values of a data frame with columns of several kinds.

    Args:
        x: The user's array, or what NumPy makes an array of.
        dtype: The dtype.
        who: The argument, for messages.

    Raises:
        TypeError: It is a ragged list, or holds strings, complex numbers, dates or other objects.
        ValueError: It is a masked array with masked entries, whose values are undefined.
    """
    wanted = np.dtype(dtype)
    if type(x) is np.ndarray and x.dtype == wanted and x.flags.c_contiguous and x.flags.aligned:
        return x  # dtypes of different byte order are not equal
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{who}: expected an array of numbers, got {type(x).__name__} ({error})") from None
    if not (array.dtype.kind == "O" and all(map(is_number, array.ravel().tolist()))):
        check_dtype(array.dtype, who, x, wanted)
    if isinstance(x, np.ndarray) and hasattr(x, "mask") and (masked := np.count_nonzero(x.mask)):
        raise ValueError(f"{who}: {masked} of {array.size} entries are masked; fill them, or leave their samples out")
    try:
        return np.require(array, wanted, ("C", "A"))
    except OverflowError as error:  # of an object, such as 10**400
        raise TypeError(f"{who}: expected numbers that {wanted.name} can hold ({error})") from None


def check_dtype(came: np.dtype[np.generic], who: str, of: object, wanted: DTypeLike = np.float64) -> None:
    """Check that a dtype is one of real numbers or booleans.

    Args:
        came: The dtype.
        who: The argument, for the message.
        of: The user's object with this dtype.
        wanted: The dtype to which it is converted, for the message.

    Raises:
        TypeError: It is another dtype. For objects the message says which, and how to convert them to numbers.
    """
    if came.kind not in "biuf":
        found = f"got dtype {came} from {_kind(of)}"
        if came.kind == "O" and isinstance(of, np.ndarray):
            found += _cells(of)
        raise TypeError(f"{who}: expected numbers that convert to {np.dtype(wanted).name}, {found}")


def is_number(cell: object) -> bool:
    """Whether an object is a real number. Strings of digits, None and complex numbers are not."""
    return isinstance(cell, (Real, Decimal, np.bool_))


def _cells(array: NDArray[np.generic]) -> str:
    """What an array of objects holds, and how to convert it, for a message."""
    cells = array.ravel().tolist()
    odd = next((place for place, cell in enumerate(cells) if not is_number(cell)), None)
    if odd is None:
        return ", which are numbers: array.astype(float) makes an array of numbers"
    if not _is_list(cells[odd]):
        return f", of which number {odd} is {cells[odd]!r}"
    lengths = sorted({len(cell) for cell in cells if _is_list(cell)})
    if len(lengths) > 1:
        return f", whose cells are arrays of several lengths, {lengths[:4]}: pad them to one, then np.stack(list(array))"
    return ", whose cells are arrays: np.stack(list(array)) makes an array of numbers"


def _is_list(cell: object) -> bool:
    return isinstance(cell, (list, tuple)) or (isinstance(cell, np.ndarray) and cell.ndim > 0)


def check_number(value: object, who: str) -> None:
    """Check that `value` is a finite real number.

    Args:
        value: The user's object.
        who: The argument, for the message.

    Raises:
        TypeError: It is not a real number, but for example an array, a string or a boolean.
        ValueError: It is NaN or infinite.
    """
    wrong = f"{who}: expected a finite number, got {value!r}"
    if isinstance(value, (str, bytes, bool)) or np.ndim(value) != 0 or not hasattr(value, "__float__"):  # type: ignore[arg-type]
        raise TypeError(wrong)
    if not np.isfinite(float(value)):
        raise ValueError(wrong)


def _kind(x: object) -> str:
    return f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__


def checked_verbose(value: object) -> int:
    """`verbose` as 0, 1 or 2. "auto" is 1, False is 0, True is 1.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(value, (bool, int, np.bool_, np.integer)) and value in (0, 1, 2):
        return int(value)
    if isinstance(value, str) and value == "auto":
        return 1
    raise ValueError(f'expected verbose to be 0, 1, 2 or "auto", got {value!r}')


def checked_steps(name: str, value: object) -> int:
    """A number of batches, at least 1, from an int or a float: in Python 3 n / batch_size is a float.

    A fraction is rounded up, with a warning. Keras 2.2.5 accepts floats, and its loop ends after the same number of batches.

    Args:
        name: The argument, for messages.
        value: The user's number.

    Raises:
        TypeError: It is not a finite number.
        ValueError: It is below 1.
    """
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        whole = ceil(value)
        if whole != value and whole > 0:
            warn(f"{name}={value!r} is not a whole number of batches; {whole} are taken")
        value = whole
    return checked_count(name, value)


def checked_count(name: str, value: object, least: int = 1) -> int:
    """`value` as an int.

    Args:
        name: The argument, for messages.
        value: The user's number.
        least: The smallest accepted number.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"expected {name} to be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"expected {name} to be at least {least}, got {value}")
    return int(value)
