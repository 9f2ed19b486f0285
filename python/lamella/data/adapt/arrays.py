"""Makes one list of arrays, in the model's order, of lists, dicts and single arrays. Messages of errors: Keras 2.2.5."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core.checks import as_array, check_dtype, is_number
from lamella.core.config import floatx
from lamella.core.shapes import Shape
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.data.rows import Readable, Rows, is_deferred


def standardize(data: Any, names: Sequence[str], shapes: Sequence[Shape | None] | None, prefix: str) -> list[Any]:
    """One array for each name, with rank and shape checked.

    An array that fits is returned itself. Data that is read batch by batch becomes Rows.

    Args:
        data: An array, a list of arrays, or a dict by name. 1-D arrays become columns.
        names: The names of the inputs or outputs.
        shapes: Their shapes, the batch axis included, which is not checked. A shape of None is not checked.
        prefix: "input" or "target", for the messages.

    Raises:
        TypeError: The data is not arrays. The message is that of Keras.
        ValueError: Number or shapes do not fit. The message is that of Keras.
    """
    if not names:
        if data is None or (hasattr(data, "__len__") and len(data) == 0):
            return []
        raise ValueError(f"Error when checking model {prefix}: expected no data, but got: {data}")
    listed = _count_checked(_listed(data, names, prefix), data, names, prefix)
    arrays = [_column(a, f"{prefix} '{name}'", prefix) for a, name in zip(listed, names)]
    for name, shape, array in zip(names, shapes or [None] * len(names), arrays):
        if shape is not None:
            _check_shape(array.shape, shape, name, prefix)
    return arrays


def _listed(data: Any, names: Sequence[str], prefix: str) -> list[Any]:
    if data is None:
        raise ValueError(f"Error when checking model {prefix}: no data was given, expected {len(names)} array(s)")
    if isinstance(data, Mapping) and not is_deferred(data):  # SciPy's sparse matrix by keys is a dict
        missing = next((name for name in names if name not in data), None)
        if missing is not None:
            raise ValueError(f'No data provided for "{missing}". Need data for each key in: {list(names)}')
        return [dense(data[name], f"{prefix} '{name}'") for name in names]
    if isinstance(data, (list, tuple)):
        if len(data) and isinstance(data[0], (list, tuple)):
            several = len(names) > 1 or len(data) == 1
            return [_array(d, prefix) for d in data] if several else [_array(data, prefix)]
        if len(names) == 1 and len(data) and isinstance(data[0], (numbers.Number, np.bool_)):
            return [_array(data, prefix)]
        whos = [f"{prefix} '{name}'" for name in names] + [prefix] * len(data)
        return [dense(d, who) for d, who in zip(data, whos)]
    return [dense(data, f"{prefix} '{names[0]}'")]


def dense(data: Any, who: str) -> Any:
    """Data frames and sparse matrices as arrays, unless they are read batch by batch. Other data is returned unchanged."""
    if type(data) is np.ndarray or is_deferred(data):
        return data
    if hasattr(data, "toarray"):
        return data.toarray()
    if hasattr(data, "iloc"):
        return _frame_values(data, who)
    return data


def from_text(data: Array) -> Array:
    """The numbers of an array of text, as a CSV file is read with dtype=str. Other data, also other text, is returned unchanged."""
    if data.dtype.kind not in "OUS":
        return data
    if data.dtype.kind == "O" and not all(isinstance(cell, (str, bytes)) or is_number(cell) for cell in data.ravel().tolist()):
        return data
    try:
        return data.astype(np.float64)
    except (ValueError, TypeError):
        return data


def _frame_values(frame: Any, who: str) -> Array:
    """The values of a data frame or series, as numbers.

    The values of a frame with several kinds of numbers, such as booleans and floats, are objects: they are converted column
    by column. Missing entries of nullable columns are NaN, as in pandas.

    Raises:
        TypeError: A column is not numbers but strings, categories, dates, None or arrays. The message names the first one.
    """
    values = np.asarray(frame.values)
    if values.dtype.kind in "biuf":
        return values
    columns = [frame] if values.ndim == 1 else [frame.iloc[:, i] for i in range(values.shape[1])]
    found = [_column_values(column, f"{who}, column {column.name!r}") for column in columns]
    return found[0] if values.ndim == 1 else np.stack(found, axis=1)


def _column_values(column: Any, who: str) -> Array:
    values = from_text(np.asarray(column.values))
    if values.dtype.kind in "biuf":
        return values
    if hasattr(column, "cat"):
        some = list(column.cat.categories[:3])
        raise TypeError(f"{who}: expected numbers, got categories such as {some}; column.cat.codes are numbers")
    if values.dtype.kind == "O" and all(map(is_number, values)):
        return values.astype(np.float64)
    check_dtype(values.dtype, who, values, floatx())
    return values


def _count_checked(data: list[Any], came: Any, names: Sequence[str], prefix: str) -> list[Any]:
    if len(data) == len(names):
        bad = next((d for d in data if not hasattr(d, "shape")), None)
        if bad is not None and not isinstance(bad, (list, tuple)):
            raise TypeError(
                f"Error when checking model {prefix}: data should be a Numpy array, or list/dict of Numpy arrays. "
                f"Found: {str(bad)[:200]}..."
            )
        return data
    if data and hasattr(data[0], "shape"):
        shown = f"{[getattr(d, 'shape', type(d).__name__) for d in data]}"[:200]
        raise ValueError(
            f"Error when checking model {prefix}: the list of Numpy arrays that you are passing to your model is not "
            f"the size the model expected. Expected to see {len(names)} array(s), but instead got the following list "
            f"of {len(data)} arrays: {shown}..."
        )
    if len(names) > 1:
        raise ValueError(
            f"Error when checking model {prefix}: you are passing a list as input to your model, but the model expects "
            f"a list of {len(names)} Numpy arrays instead. The list you passed was: {str(came)[:200]}"
        )
    raise TypeError(
        f"Error when checking model {prefix}: data should be a Numpy array, or list/dict of Numpy arrays. "
        f"Found: {str(came)[:200]}..."
    )


def _column(data: Any, who: str, prefix: str) -> Array | Rows:
    if is_deferred(data):
        rows = data if isinstance(data, Rows) else Rows(data, prefix)
        return rows.reshaped((1,)) if rows.ndim == 1 else rows
    array = from_text(data if isinstance(data, np.ndarray) else _array(data, prefix))
    if array.dtype.kind == "O":  # each cell may be an array, so the shape says nothing
        array = as_array(array, np.float64, who)
    if array.ndim == 0:
        raise ValueError(f"Error when checking {prefix}: expected an array of samples, but got array with shape ()")
    return array[:, None] if array.ndim == 1 else array


def _array(data: Any, prefix: str) -> Array:
    try:
        return np.asarray(data)
    except ValueError as error:
        raise TypeError(f"Error when checking model {prefix}: the lists do not form an array ({error})") from None


def _check_shape(came: tuple[int, ...], wanted: Shape, name: str, prefix: str) -> None:
    if len(came) != len(wanted):
        raise ValueError(
            f"Error when checking {prefix}: expected {name} to have {len(wanted)} dimensions, but got array with shape {came}"
        )
    if any(ref is not None and dim != ref for dim, ref in zip(came[1:], wanted[1:])):
        raise ValueError(
            f"Error when checking {prefix}: expected {name} to have shape {tuple(wanted[1:])} "
            f"but got array with shape {came[1:]}"
        )


def of_first_length(inputs: Sequence[Readable], names: Sequence[str]) -> list[Readable]:
    """The inputs of `predict`, cut to the number of samples of the first one, with a warning if another has more.

    Keras 2.2.5 predicts for the samples of the first input and does not check the lengths of the others.
    """
    samples = inputs[0].shape[0] if inputs else 0
    for name, array in zip(names, inputs):
        if array.shape[0] > samples:
            warn(
                f"predict: input '{name}' has {array.shape[0]} samples, but the first input has {samples}; the rest is ignored"
            )
    return [array[:samples] if isinstance(array, np.ndarray) and len(array) > samples else array for array in inputs]


def check_lengths(inputs: Sequence[Readable], targets: Sequence[Readable], weights: Sequence[Readable | None] = ()) -> int:
    """The number of samples; 0 without any array.

    Args:
        inputs: Arrays or Rows.
        targets: Arrays or Rows.
        weights: Arrays or Rows; entries of None are ignored.

    Raises:
        ValueError: The arrays have different numbers of samples, or no sample.
    """
    x, y, w = ({a.shape[0] for a in arrays if a is not None} for arrays in (inputs, targets, weights))
    for found, arrays, noun in (
        (x, inputs, "input arrays (x)"),
        (y, targets, "target arrays (y)"),
        (w, weights, "sample_weight arrays"),
    ):
        if len(found) > 1:
            raise ValueError(
                f"All {noun} should have the same number of samples. "
                f"Got array shapes: {[a.shape for a in arrays if a is not None]}"
            )
    if x and y and x != y:
        raise ValueError(
            "Input arrays should have the same number of samples as target arrays. "
            f"Found {x.pop()} input samples and {y.pop()} target samples."
        )
    if (y or x) and w and (y or x) != w:
        raise ValueError(
            "Sample_weight arrays should have the same number of samples as target arrays. "
            f"Got {(y or x).pop()} input samples and {w.pop()} target samples."
        )
    samples: int = max(x | y | w, default=0)
    if samples == 0 and (x or y or w):
        raise ValueError(f"expected at least one sample, got arrays of shape {[a.shape for a in (*inputs, *targets)]}")
    return samples
