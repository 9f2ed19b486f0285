"""From what users pass as x, y and weights to standardized arrays, or what makes them of the items of a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.checks import as_array, checked_count
from lamella.core.config import floatx
from lamella.core.types import Array
from lamella.data.adapt import targets as target_checks
from lamella.data.adapt import weights as weight_checks
from lamella.data.adapt.arrays import check_lengths, standardize
from lamella.data.adapt.expected import ExpectedTarget, ModelInputs
from lamella.data.batches import Data
from lamella.data.rows import Readable, Rows
from lamella.data.sequence import inputs_of_item, split_item


def inputs_of(expected: ModelInputs, x: Any) -> tuple[list[Any], list[Readable]]:
    """The model's inputs: the user's own objects, and what the layers read (floatx, C-contiguous, read-only), or Rows that
    will be that.
    """
    given = standardize(x, expected.names, expected.shapes, "input")
    inputs = [_input(a, dtype, f"input '{name}'") for a, dtype, name in zip(given, expected.dtypes, expected.names)]
    return _own(given), inputs


def _input(given: Any, dtype: str, who: str) -> Readable:
    if isinstance(given, Rows):
        return given.converted(who, lambda array, _: _read_only(as_array(array, dtype, who)))
    array: Readable = _read_only(as_array(given, dtype, who))
    return array


def _own(given: Sequence[Any]) -> list[Any]:
    """What the user handed in, unless it became a column; a sparse matrix as Rows, which have a length and slices."""
    return [
        a.source if isinstance(a, Rows) and a.shape == a.source.shape and not hasattr(a.source, "tocsr") else a for a in given
    ]


def _read_only(array: Array) -> Array:
    """A view that nobody can write through: a layer of a user's own may work in place, as on Keras's tensors."""
    view = array.view()
    view.flags.writeable = False
    return view


def data_of(
    expected: ModelInputs,
    outputs: Sequence[ExpectedTarget],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
) -> tuple[Data, list[Any]]:
    """Inputs, targets and weights, all checked before anything else happens; and the user's own arrays in that order.

    Of what is read batch by batch shapes and dtypes are checked now, and values when they are read.
    """
    given_x, inputs = inputs_of(expected, x)
    names = [output.name for output in outputs]
    wanted = [target_checks.wanted_shape(output.shape, output.loss_name) for output in outputs]
    given_y = standardize(y, names, None, "target")
    for output, array in zip(outputs, given_y):
        target_checks.check_target(array, output.loss_name)
    given_y = standardize(given_y, names, wanted, "target") if names else given_y
    targets = [
        target_checks.target_of(array, output.shape, output.loss_name, output.name) for output, array in zip(outputs, given_y)
    ]
    sample_weights = weight_checks.per_output(sample_weight, names, "sample_weight")
    class_weights = _class_weights(class_weight, names)
    weights = [
        weight_checks.combine(sw, cw, target, output.mode)
        for sw, cw, target, output in zip(sample_weights, class_weights, targets, outputs)
    ]
    samples = check_lengths(inputs, targets, weights)
    full = [w if w is not None else np.ones(samples, floatx()) for w in weights]
    return Data(inputs, targets, weights), [*given_x, *_own(given_y), *full]


def items_to_data(expected: ModelInputs, outputs: Sequence[ExpectedTarget], class_weight: Any = None) -> Callable[[Any], Data]:
    """What turns the items of a generator or Sequence into Data."""

    def convert(item: Any) -> Data:
        x, y, weights = split_item(item)
        refuse_empty(x)
        return data_of(expected, outputs, x, y, weights, class_weight)[0]

    weight_checks.refuse_balanced(class_weight)

    return convert


def items_to_inputs(expected: ModelInputs) -> Callable[[Any], Data]:
    """The same to predict on."""

    def convert(item: Any) -> Data:
        x = inputs_of_item(item)
        refuse_empty(x)
        return Data(inputs_of(expected, x)[1], [], [])

    return convert


def refuse_empty(x: Any) -> None:
    """Raises ValueError, in Keras's own words, for a batch without samples."""
    arrays = list(x.values()) if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else [x]
    if any(np.shape(a)[:1] == (0,) for a in arrays):
        raise ValueError("Received an empty batch. Batches should contain at least one item.")


def _class_weights(class_weight: Any, names: Sequence[str]) -> list[Any]:
    if class_weight is not None and not isinstance(class_weight, (dict, list, tuple, str, np.ndarray)):
        raise TypeError(f"{weight_checks.CLASS_WEIGHT}, got {type(class_weight).__name__}")
    return weight_checks.per_output(class_weight, names, "class_weight")


def checked_batch_size(expected: ModelInputs, batch_size: int | None) -> int:
    """32 unless given, or what the model's inputs fix. Raises ValueError if the two differ."""
    fixed = next((shape[0] for shape in expected.shapes if shape[0] is not None), None)
    size = None if batch_size is None else checked_count("batch_size", batch_size)
    if size is not None and fixed is not None and size != fixed:
        raise ValueError(
            f"The `batch_size` argument value {size} is incompatible with the specified batch size of your Input Layer: {fixed}"
        )
    return size or fixed or 32


def check_whole_batches(expected: ModelInputs, samples: int, batch_size: int, more: str = "") -> None:
    """Raises ValueError, in Keras's own words, if a stateful model would get a smaller last batch."""
    if expected.stateful and samples % batch_size:
        raise ValueError(
            "In a stateful network, you should only pass inputs with a number of samples that can be divided by the batch "
            f"size. Found: {samples} samples{more}"
        )


def arrays_to_build_from(x: Any) -> list[Any]:
    """The arrays that show an unbuilt model the shape of its input."""
    if isinstance(x, dict):
        x = list(x.values())
    names = [f"input_{i}" for i in range(len(x))] if isinstance(x, list) and x and hasattr(x[0], "shape") else ["input"]
    return standardize(x, names, None, "input")
