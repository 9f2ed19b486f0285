"""Functions of keras.engine.training_utils on targets, weights and losses, for training loops of scripts. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamella import backend as K
from lamella.core.config import floatx
from lamella.core.shapes import Shape
from lamella.core.types import Array, Value
from lamella.data.adapt import targets as target_checks
from lamella.data.adapt import weights as weight_checks
from lamella.data.adapt.arrays import check_lengths, standardize
from lamella.losses import binary_crossentropy, categorical_crossentropy, mean_squared_error
from lamella.training import resolve

_SAME_SHAPE = (mean_squared_error, binary_crossentropy, categorical_crossentropy)


def weighted_masked_objective(fn: Callable[..., Any] | None) -> Callable[..., Value] | None:
    """A function (y_true, y_pred, weights, mask=None) -> the weighted mean of a loss, a scalar; see `training/shares.py`.

    Args:
        fn: A loss (y_true, y_pred) -> one value for each sample; for None the result is None.
    """
    if fn is None:
        return None
    loss = fn

    def weighted(y_true: Value, y_pred: Value, weights: Value | None, mask: Value | None = None) -> Any:
        losses: Any = loss(y_true, y_pred)
        if mask is not None:
            kept: Any = K.cast(mask, floatx())
            losses = losses * kept / (K.mean(kept) + K.epsilon())
        if weights is not None:
            given: Any = weights
            beyond = list(range(K.ndim(given), K.ndim(losses)))
            losses = (K.mean(losses, axis=beyond) if beyond else losses) * given
            losses = losses / K.mean(K.cast(K.not_equal(given, 0), floatx()))
        return K.mean(losses)

    return weighted


def standardize_weights(
    y: Array, sample_weight: Any = None, class_weight: Any = None, sample_weight_mode: str | None = None
) -> Array:
    """The weight of each sample: sample_weight times the weight of the sample's class.

    Args:
        y: The targets of one output.
        sample_weight: As in fit, for this output.
        class_weight: As in fit, for this output.
        sample_weight_mode: None, or "temporal" for weights [N, T].

    Returns:
        An array [N] or [N, T] of floatx.

    Raises:
        TypeError: class_weight has a wrong type.
        ValueError: Shapes or classes do not fit.
    """
    found = weight_checks.combine(sample_weight, class_weight, np.asarray(y), sample_weight_mode)
    shape = np.shape(y)[: 2 if sample_weight_mode == "temporal" else 1]
    return np.ones(shape, floatx()) if found is None else np.asarray(found[:])


def standardize_sample_weights(sample_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """One entry of sample_weight for each output, or None. Raise an error as fit does.

    Args:
        sample_weight: As in fit.
        output_names: The outputs.
    """
    return weight_checks.per_output(sample_weight, output_names, "sample_weight")


def standardize_class_weights(class_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """One entry of class_weight for each output, or None. Raise an error as fit does.

    Args:
        class_weight: As in fit.
        output_names: The outputs.
    """
    return weight_checks.per_output(class_weight, output_names, "class_weight")


def standardize_sample_or_class_weights(x_weight: Any, output_names: Sequence[str], weight_type: str) -> list[Any]:
    """`standardize_sample_weights` or `standardize_class_weights`.

    Args:
        x_weight: The weights.
        output_names: The outputs.
        weight_type: "sample_weight" or "class_weight".
    """
    return weight_checks.per_output(x_weight, output_names, weight_type)


def standardize_input_data(
    data: Any,
    names: Sequence[str],
    shapes: Sequence[Shape | None] | None = None,
    check_batch_axis: bool = True,
    exception_prefix: str = "",
) -> list[Any]:
    """One array for each name.

    Args:
        data: An array, or a list or dict of arrays; None without names, or for a None in each place.
        names: The names.
        shapes: The shapes with the batch axis; None allows any.
        check_batch_axis: Whether the batch axis must have the size of the shape, if that is known.
        exception_prefix: What the data is, for messages.

    Raises:
        TypeError: The data is not arrays.
        ValueError: Number or shapes do not fit.
    """
    if data is None and names:
        return [None] * len(names)
    arrays = standardize(data, names, shapes, exception_prefix or "input")
    for name, array, shape in zip(names, arrays, shapes or ()):
        if check_batch_axis and shape is not None and shape[0] not in (None, array.shape[0]):
            raise ValueError(
                f"Error when checking {exception_prefix or 'input'}: expected {name} to have shape {tuple(shape)} "
                f"but got array with shape {array.shape}"
            )
    return arrays


def check_array_length_consistency(inputs: Any, targets: Any, weights: Any = None) -> None:
    """Raise ValueError unless the arrays have equally many samples. As in Keras, None counts as an array without samples.

    Args:
        inputs: A list of arrays, or None.
        targets: A list of arrays, or None.
        weights: A list of arrays, or None.
    """
    none = np.empty(0)
    listed = [
        [none if a is None else a for a in ([None] if arrays is None else arrays)] for arrays in (inputs, targets, weights)
    ]
    if any(a.shape[0] for arrays in listed for a in arrays):
        check_lengths(*listed)


def check_loss_and_target_compatibility(
    targets: Sequence[Any], loss_fns: Sequence[Any], output_shapes: Sequence[Shape]
) -> None:
    """Raise ValueError for targets that do not fit categorical_crossentropy, binary_crossentropy or mean_squared_error.

    Args:
        targets: An array for each output, or None.
        loss_fns: The loss function of each output, or None.
        output_shapes: The shapes of the outputs.
    """
    for y, loss, shape in zip(targets, loss_fns, output_shapes):
        if y is None or not any(loss is each for each in _SAME_SHAPE):
            continue
        target_checks.check_target(y, loss.__name__)
        if any(size not in (None, n) for n, size in zip(y.shape[1:], shape[1:])):
            raise ValueError(
                f"{loss.__name__} expects targets to have the same shape as the output, {tuple(shape)}, got {y.shape}"
            )


def collect_metrics(metrics: Any, output_names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output.

    Args:
        metrics: A list for every output, or a dict by output, as in compile.
        output_names: The outputs.

    Raises:
        TypeError: It is neither a list nor a dict.
    """
    return resolve.metrics_by_output(metrics, output_names)
