"""Checks targets (y) against the output and its loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.core.checks import as_array
from lamella.core.config import floatx
from lamella.core.shapes import Shape
from lamella.core.types import Array
from lamella.data.rows import Readable, Rows


def wanted_shape(output_shape: Shape, loss: str | None) -> Shape | None:
    """The shape that a target must have; None for a custom loss, which accepts any shape."""
    if loss == "sparse_categorical_crossentropy":
        return (*output_shape[:-1], 1)
    return None if loss is None else output_shape


def check_target(target: Readable, loss: str | None) -> None:
    """Raise Keras's ValueError for labels where the loss needs one-hot rows."""
    if loss == "categorical_crossentropy" and target.shape[-1] == 1:
        raise ValueError(
            f"You are passing a target array of shape {target.shape} while using as loss `categorical_crossentropy`. "
            "`categorical_crossentropy` expects targets to be binary matrices (1s and 0s) of shape (samples, classes). "
            "If your targets are integer classes, you can convert them to the expected format via:\n```\n"
            "from keras.utils import to_categorical\ny_binary = to_categorical(y_int)\n```\n\n"
            "Alternatively, you can use the loss function `sparse_categorical_crossentropy` instead, "
            "which does expect integer targets."
        )


def target_of(target: Any, output_shape: Shape, loss: str | None, name: str) -> Readable:
    """The result of `as_target`; for Rows, which are converted when they are read, errors in values are found with the batch."""
    if not isinstance(target, Rows):
        return as_target(target, output_shape, loss, name)
    return target.converted(f"target '{name}'", lambda array, numbers: as_target(array, output_shape, loss, name, numbers))


def as_target(target: Any, output_shape: Shape, loss: str | None, name: str, numbers: Array | None = None) -> Array:
    """The array for the loss: int64 labels for the sparse loss, else floatx.

    Args:
        target: The user's array.
        output_shape: Shape of the output.
        loss: Name of a built-in loss, or None.
        name: Name of the output.
        numbers: Indices of the samples, for messages; None for 0, 1, 2 ...

    Raises:
        ValueError: There is NaN or infinity, or a label is not a class of the output. A custom loss may use NaN and infinity,
            so they are accepted for it.
        TypeError: The array is not numbers.
    """
    who = f"target '{name}'"
    if loss == "sparse_categorical_crossentropy":
        return _labels(target, output_shape[-1], who, numbers)
    array = as_array(target, floatx(), who)
    if loss is not None and not (finite := np.isfinite(array)).all():
        raise ValueError(f"{who}: expected finite numbers, got {_first(array, ~finite, numbers)}")
    return array


def of_tensor(value: Any, output_shape: Shape, loss: str | None, name: str) -> Array:
    """The y that a tensor of target_tensors gives for a batch, as an array for the loss.

    Args:
        value: The tensor's value.
        output_shape: Shape of this batch's output, with all sizes.
        loss: Name of a built-in loss, or None.
        name: Name of the output.

    Raises:
        ValueError: Its shape does not fit the output and the loss, or as in `as_target`.
    """
    array = np.asarray(value)
    array = array[:, None] if array.ndim == 1 else array
    wanted = wanted_shape(output_shape, loss)
    if array.shape[:1] != output_shape[:1] or (wanted is not None and array.shape != wanted):
        raise ValueError(
            f"target tensor of output '{name}': expected shape {tuple(wanted or output_shape)}, got {array.shape}; the batches of "
            "the data must have as many samples as the tensor"
        )
    return as_target(array, output_shape, loss, name)


def _labels(target: Any, classes: int | None, who: str, numbers: Array | None) -> Array:
    given = np.asarray(target)
    if given.dtype.kind == "f" and (odd := ~np.isfinite(given) | (given != np.trunc(given))).any():
        raise ValueError(f"{who}: expected whole class labels, got {_first(given, odd, numbers)}")
    labels: Array = as_array(given, np.int64, who)
    if classes is not None and labels.size:
        low, high = labels.min(), labels.max()
        if low < 0 or high >= classes:
            outside = _first(labels, (labels < 0) | (labels >= classes), numbers)
            raise ValueError(f"{who}: expected class labels from 0 to {classes - 1}, got {outside}")
    return labels


def _first(array: Array, where: Any, numbers: Array | None) -> str:
    place = int(np.argmax(where.reshape(-1)))
    row = place * array.shape[0] // max(1, array.size)
    return f"{array.reshape(-1)[place]} at sample {row if numbers is None else numbers[row]}"
