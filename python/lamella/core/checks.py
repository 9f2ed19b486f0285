"""The door for users' arrays: whatever comes in leaves as a clean C-contiguous array, or is refused by name."""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from numbers import Real

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lamella.core.warn import warn


def as_array(x: object, dtype: DTypeLike, who: str) -> NDArray[np.generic]:
    """`x` as a C-contiguous, aligned, native-endian array of `dtype`; `x` itself where it already is one.

    Raises:
        TypeError: For object, string, complex or date arrays and for ragged lists: who, wanted, came.
        ValueError: For a masked array with masked entries, which hold whatever was there before.
    """
    wanted = np.dtype(dtype)
    if type(x) is np.ndarray and x.dtype == wanted and x.flags.c_contiguous and x.flags.aligned:
        return x  # dtypes compare unequal when their byte orders differ
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{who}: expected an array of numbers, got {type(x).__name__} ({error})") from None
    check_dtype(array.dtype, who, x, wanted)
    if isinstance(x, np.ndarray) and hasattr(x, "mask") and (masked := np.count_nonzero(x.mask)):
        raise ValueError(f"{who}: {masked} of {array.size} entries are masked; fill them, or leave their samples out")
    return np.require(array, wanted, ("C", "A"))


def check_dtype(came: np.dtype[np.generic], who: str, of: object, wanted: DTypeLike = np.float64) -> None:
    """Raises TypeError for the dtype of what holds no real numbers; of objects it says which, and what makes numbers of them."""
    if came.kind not in "biuf":
        found = f"got dtype {came} from {_kind(of)}"
        if came.kind == "O" and isinstance(of, np.ndarray):
            found += _cells(of)
        raise TypeError(f"{who}: expected numbers that convert to {np.dtype(wanted).name}, {found}")


def is_number(cell: object) -> bool:
    """Whether an object is a real number: no string of digits, None or complex number is."""
    return isinstance(cell, (Real, Decimal, np.bool_))


def _cells(array: NDArray[np.generic]) -> str:
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
    """Raises TypeError for what is no real number (arrays, strings and booleans are none), ValueError for NaN and infinity."""
    wrong = f"{who}: expected a finite number, got {value!r}"
    if isinstance(value, (str, bytes, bool)) or np.ndim(value) != 0 or not hasattr(value, "__float__"):  # type: ignore[arg-type]
        raise TypeError(wrong)
    if not np.isfinite(float(value)):
        raise ValueError(wrong)


def _kind(x: object) -> str:
    return f"an array of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__


def checked_verbose(value: object) -> int:
    """0, 1 or 2; "auto" means 1, and so do True and False what they are. Raises ValueError for anything else."""
    if isinstance(value, (bool, int, np.bool_, np.integer)) and value in (0, 1, 2):
        return int(value)
    if isinstance(value, str) and value == "auto":
        return 1
    raise ValueError(f'expected verbose to be 0, 1, 2 or "auto", got {value!r}')


def checked_steps(name: str, value: object) -> int:
    """A number of batches, at least 1: an int, or the float that n / batch_size is in Python 3.

    A fraction counts as one more batch, with a warning. Keras 2.2.5 takes floats; its loop ends after the same number.

    Raises:
        TypeError or ValueError: For anything else.
    """
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        whole = ceil(value)
        if whole != value and whole > 0:
            warn(f"{name}={value!r} is not a whole number of batches; {whole} are taken")
        value = whole
    return checked_count(name, value)


def checked_count(name: str, value: object, least: int = 1) -> int:
    """An int >= `least`. Raises TypeError or ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"expected {name} to be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"expected {name} to be at least {least}, got {value}")
    return int(value)
