"""Makes standardized arrays of users' x, y and weights, and functions that do so for the items of a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella.core.checks import as_array, checked_count
from lamella.core.config import floatx
from lamella.core.names import for_all_calls
from lamella.core.types import Array
from lamella.data.adapt import targets as target_checks
from lamella.data.adapt import weights as weight_checks
from lamella.data.adapt.arrays import check_lengths, standardize
from lamella.data.adapt.expected import ExpectedTarget, ModelInputs
from lamella.data.batches import Data
from lamella.data.rows import Readable, Rows, is_deferred
from lamella.data.sequence import inputs_of_item, split_item


def inputs_of(expected: ModelInputs, x: Any) -> tuple[list[Any], list[Readable]]:
    """The model's inputs.

    Args:
        expected: What the model expects.
        x: The user's data.

    Returns:
        (given, inputs): the user's own arrays, and the arrays for the layers (C-contiguous, read-only, of the input's dtype)
        or Rows that give such arrays.

    Raises:
        TypeError: The data is not numbers.
        ValueError: Number or shapes of the arrays do not fit.
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
    """The user's own objects, except for vectors, which became columns, and sparse matrices, which have no len: Rows."""
    return [
        a.source if isinstance(a, Rows) and a.shape == a.source.shape and not hasattr(a.source, "tocsr") else a for a in given
    ]


def _read_only(array: Array) -> Array:
    """A read-only view: a custom layer that works in place must not change the user's array."""
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
    """Inputs, targets and weights, checked and standardized.

    For data that is read batch by batch, shapes and dtypes are checked here, and values when they are read.

    Args:
        expected: What the model expects of its inputs.
        outputs: The trained outputs.
        x: The user's inputs.
        y: The user's targets.
        sample_weight: None, an array, or one for each output as a list or dict.
        class_weight: See `weights.combine`.

    Returns:
        (data, given): the standardized data, and the user's own arrays in this order: inputs, targets, weights.

    Raises:
        TypeError: Something is not numbers.
        ValueError: Numbers, shapes or values do not fit the model and its losses.
    """
    given_x, inputs = inputs_of(expected, x)
    names, layers = [output.name for output in outputs], [output.layer for output in outputs]
    fed = [output for output in outputs if output.fed]
    fed_names = [output.name for output in fed]
    wanted = [target_checks.wanted_shape(output.shape, output.loss_name) for output in fed]
    by_output = y if is_deferred(y) else for_all_calls(y, fed_names, [output.layer for output in fed])
    given_y = standardize(by_output, fed_names, None, "target")
    for output, array in zip(fed, given_y):
        target_checks.check_target(array, output.loss_name)
    given_y = standardize(given_y, fed_names, wanted, "target") if fed else given_y
    targets = [
        target_checks.target_of(array, output.shape, output.loss_name, output.name) for output, array in zip(fed, given_y)
    ]
    of_output = dict(zip(fed_names, targets))
    sample_weights = weight_checks.per_output(for_all_calls(sample_weight, names, layers), names, "sample_weight")
    class_weights = _class_weights(for_all_calls(class_weight, names, layers), names)
    weights = [
        weight_checks.combine(sw, cw, of_output[output.name], output.mode)
        if output.fed
        else weight_checks.beside_tensor(sw, cw, output.mode, output.name)
        for sw, cw, output in zip(sample_weights, class_weights, outputs)
    ]
    samples = check_lengths(inputs, targets, weights)
    full = [w if w is not None else np.ones(samples, floatx()) for w in weights]
    return Data(inputs, targets, weights), [*given_x, *_own(given_y), *full]


def items_to_data(expected: ModelInputs, outputs: Sequence[ExpectedTarget], class_weight: Any = None) -> Callable[[Any], Data]:
    """A function that makes Data of an item of a generator or Sequence.

    Args:
        expected: What the model expects of its inputs.
        outputs: The trained outputs.
        class_weight: See `weights.combine`; "balanced" is refused.
    """

    def convert(item: Any) -> Data:
        x, y, weights = split_item(item)
        refuse_empty(x)
        return data_of(expected, outputs, x, y, weights, class_weight)[0]

    weight_checks.refuse_balanced(class_weight)

    return convert


def items_to_inputs(expected: ModelInputs) -> Callable[[Any], Data]:
    """A function that makes Data to predict on of an item of a generator or Sequence."""

    def convert(item: Any) -> Data:
        x = inputs_of_item(item)
        refuse_empty(x)
        return Data(inputs_of(expected, x)[1], [], [])

    return convert


def refuse_empty(x: Any) -> None:
    """Raise Keras's ValueError for a batch without samples."""
    arrays = list(x.values()) if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else [x]
    if any(np.shape(a)[:1] == (0,) for a in arrays):
        raise ValueError("Received an empty batch. Batches should contain at least one item.")


def _class_weights(class_weight: Any, names: Sequence[str]) -> list[Any]:
    if class_weight is not None and not isinstance(class_weight, (dict, list, tuple, str, np.ndarray)):
        raise TypeError(f"{weight_checks.CLASS_WEIGHT}, got {type(class_weight).__name__}")
    return weight_checks.per_output(class_weight, names, "class_weight")


def checked_batch_size(expected: ModelInputs, batch_size: int | None, *, free: bool = False) -> int:
    """The batch size: as given, else as the model's inputs fix it, else 32.

    Args:
        expected: The model's inputs.
        batch_size: The given size.
        free: Whether another size than the fixed one is accepted.

    Raises:
        ValueError: The given size differs from the fixed one, and is not free.
    """
    fixed = next((shape[0] for shape in expected.shapes if shape[0] is not None), None)
    size = None if batch_size is None else checked_count("batch_size", batch_size)
    if size is not None and fixed is not None and size != fixed and not free:
        raise ValueError(
            f"The `batch_size` argument value {size} is incompatible with the specified batch size of your Input Layer: {fixed}"
        )
    return size or fixed or 32


def check_arrays(data: Data, who: str, argument: str) -> None:
    """Raise ValueError if a model of its own tensors gets no arrays, so that nothing says how many steps there are."""
    if not data.samples:
        raise ValueError(
            f"{who}: without arrays nothing says how many batches there are, so you should specify the `{argument}` argument"
        )


def check_whole_batches(expected: ModelInputs, samples: int, batch_size: int, more: str = "") -> None:
    """Raise Keras's ValueError if the last batch would be smaller and the model is stateful.

    Args:
        expected: What the model expects of its inputs.
        samples: Number of samples.
        batch_size: Number of samples in a batch.
        more: The end of the message.
    """
    if expected.stateful and samples % batch_size:
        raise ValueError(
            "In a stateful network, you should only pass inputs with a number of samples that can be divided by the batch "
            f"size. Found: {samples} samples{more}"
        )


def arrays_to_build_from(x: Any) -> list[Any]:
    """The arrays of x, from whose shapes an unbuilt model is built."""
    if isinstance(x, dict):
        x = list(x.values())
    names = [f"input_{i}" for i in range(len(x))] if isinstance(x, list) and x and hasattr(x[0], "shape") else ["input"]
    return standardize(x, names, None, "input")
