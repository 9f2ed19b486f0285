"""sample_weight and class_weight: one array of weights per output, or None if all samples have the same weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamella.core.checks import as_array
from lamella.core.config import floatx
from lamella.core.types import Array
from lamella.data.adapt.arrays import dense, from_text
from lamella.data.rows import Readable, Rows, is_deferred, pieces


def per_output(given: Any, names: Sequence[str], kind: str) -> list[Any]:
    """One entry of `given` for each output, or None.

    Args:
        given: With one output the entry itself, or a list or dict with one entry. With several outputs a list, or a dict by
            name.
        names: Names of the outputs.
        kind: "sample_weight" or "class_weight".

    Raises:
        TypeError: It is neither a list nor a dict. The message is that of Keras.
        ValueError: The entries do not fit the outputs. The message is that of Keras.
    """
    if given is None or (isinstance(given, (list, Mapping)) and len(given) == 0):
        return [None] * len(names)
    if len(names) == 1:
        if isinstance(given, (list, tuple)) and len(given) == 1 and not np.isscalar(given[0]):
            return [given[0]]
        if isinstance(given, Mapping) and names[0] in given:
            return [given[names[0]]]
        return [given]
    if isinstance(given, list):
        if len(given) != len(names):
            raise ValueError(
                f"Provided `{kind}` was a list of {len(given)} elements, but the model has {len(names)} outputs. "
                f"You should provide one `{kind}` array per model output."
            )
        return given
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"`{kind}` names outputs that the model does not have: {unknown}. Its outputs: {list(names)}")
        return [given.get(name) for name in names]
    raise TypeError(
        f"The model has multiple outputs, so `{kind}` should be either a list or a dict. "
        f"Provided `{kind}` type not understood: {type(given).__name__}"
    )


def combine(sample_weight: Any, class_weight: Any, target: Readable, mode: str | None) -> Readable | None:
    """The weights of one output's samples: sample_weight times the weight of each sample's class.

    A sample_weight that is read batch by batch is checked for NaN when it is read. A class_weight needs all labels, so they
    are read here in parts; only one weight for each sample is kept.

    Args:
        sample_weight: None, or an array [N], or [N, T] with mode "temporal".
        class_weight: A dict from class to weight; a list or array of weights for the classes 0, 1, ...; or "balanced" or
            "auto": N / (number of classes * samples of the class), over all samples. Keras 2.2.5 uses only dicts and ignores
            everything else.
        target: Labels [N] or [N, 1]; or [N, C] with one class per sample: one-hot, or probabilities that sum to 1 and have one
            largest entry.
        mode: None, or "temporal" for weights [N, T].

    Returns:
        An array of floatx, Rows, or None if all samples have the same weight.

    Raises:
        TypeError: class_weight is something else.
        ValueError: Shapes do not fit (the message is that of Keras), or a sample has several labels or none. For such a sample
            Keras uses the weight of the first class.
    """
    weights = _sample_weights(sample_weight, target, mode)
    if class_weight is None:
        return weights
    by_class = _class_weights(_table(class_weight, target), target)
    return by_class if weights is None else weights[:] * by_class


def beside_tensor(sample_weight: Any, class_weight: Any, mode: str | None, name: str) -> Readable | None:
    """The weights of an output whose y is a tensor of target_tensors, not data.

    Args:
        sample_weight: As in `combine`.
        class_weight: Must be None.
        mode: As in `combine`.
        name: The output.

    Raises:
        ValueError: The shape does not fit, or there is a class_weight.
    """
    if class_weight is not None:
        raise ValueError(
            f"`class_weight` needs the classes of the samples, but the y of output '{name}' is a tensor of target_tensors; "
            "pass sample_weight"
        )
    return None if sample_weight is None else _checked(_of_mode(sample_weight, mode))


CLASS_WEIGHT = "expected class_weight to be a dict of class -> weight, a list or array of weights, or 'balanced'"
_BALANCED = ("balanced", "auto")


def refuse_balanced(class_weight: Any) -> None:
    """Raise ValueError for class_weight="balanced", which needs all targets at once, in contrast to batches of a generator."""
    given = class_weight.values() if isinstance(class_weight, Mapping) else [class_weight]
    for entry in given:
        if isinstance(entry, str) and entry in _BALANCED:
            raise ValueError(
                f"class_weight={entry!r} needs all targets at once, but a generator gives them batch by batch; expected a dict "
                "of class -> weight, for example N / (number of classes * samples of the class)"
            )


def _table(class_weight: Any, target: Readable) -> Mapping[Any, float]:
    """The weight of each class."""
    if isinstance(class_weight, Mapping):
        return class_weight
    if isinstance(class_weight, str) and class_weight in _BALANCED:
        counts: Counter[Any] = Counter()
        seen = 0
        for piece in pieces(_of_samples(target)):
            counts.update(_classes(piece, seen).tolist())
            seen += len(piece)
        return {label: seen / (len(counts) * count) for label, count in counts.items()}
    if isinstance(class_weight, (list, tuple, np.ndarray)) and np.ndim(class_weight) == 1:
        return dict(enumerate(class_weight))
    came = repr(class_weight) if isinstance(class_weight, str) else type(class_weight).__name__
    raise TypeError(f"{CLASS_WEIGHT}, got {came}")


def _of_samples(target: Readable) -> Readable:
    if target.ndim > 2:
        raise ValueError("`class_weight` not supported for 3+ dimensional targets.")
    return target


def _sample_weights(given: Any, target: Readable, mode: str | None) -> Readable | None:
    if mode not in (None, "temporal"):
        raise ValueError(f'"sample_weight_mode should be None or "temporal". Found: {mode}')
    if mode == "temporal" and target.ndim < 3:
        raise ValueError(
            f"Found a sample_weight array for an input with shape {target.shape}. Timestep-wise sample weighting (use "
            'of sample_weight_mode="temporal") is restricted to outputs that are at least 3D, i.e. that have a time '
            "dimension."
        )
    if given is None:
        return None
    weights = _of_mode(given, mode)
    if weights.shape != target.shape[: weights.ndim]:
        raise ValueError(
            f"Found a sample_weight array with shape {weights.shape} for an input with shape {target.shape}. "
            "sample_weight cannot be broadcast."
        )
    return _checked(weights)


def _checked(weights: Readable) -> Readable:
    return _finite(weights) if isinstance(weights, np.ndarray) else weights


def _of_mode(given: Any, mode: str | None) -> Readable:
    """Weights of the rank that the mode wants."""
    weights: Any
    if is_deferred(given):
        weights = Rows(given, "sample_weight", lambda array, _: _finite(as_array(array, floatx(), "sample_weight")))
    else:
        numbers = dense(given, "sample_weight")
        numbers = from_text(numbers) if isinstance(numbers, np.ndarray) else numbers
        weights = as_array(numbers, floatx(), "sample_weight")
    if mode is None and weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights.reshaped(()) if isinstance(weights, Rows) else weights[:, 0]
    if mode is None and weights.ndim != 1:
        raise ValueError(
            f"Found a sample_weight array with shape {weights.shape}. In order to use timestep-wise sample weights, you "
            'should specify sample_weight_mode="temporal" in compile(). If you just mean to use sample-wise weights, '
            "make sure your sample_weight array is 1D."
        )
    if mode == "temporal" and weights.ndim != 2:
        raise ValueError(
            f"Found a sample_weight array with shape {weights.shape}. In order to use timestep-wise sample weighting, "
            "you should pass a 2D sample_weight array."
        )
    found: Readable = weights
    return found


def _finite(weights: Array) -> Array:
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight: expected finite numbers, got NaN or infinity")
    return weights


def _class_weights(class_weight: Mapping[Any, float], target: Readable) -> Array:
    weights: list[Array] = []
    for piece in pieces(_of_samples(target)):
        weights.append(_weights_of(class_weight, piece, sum(map(len, weights))))
    return np.concatenate(weights)


def _classes(target: Array, start: int) -> Array:
    """The class of each sample. `start`: index of the first sample, for the message."""
    if target.ndim == 1 or target.shape[1] == 1:
        return target.reshape(-1)
    lowest, highest = target.min(initial=np.inf), target.max(axis=1, keepdims=True)
    alone = (target == highest).sum(axis=1) == 1
    # If there are only two values (0 and 1, or -1 and 1), the larger one marks the class. Otherwise the row must be
    # probabilities, such as smoothed labels.
    two_values = ((target == lowest) | (target == target.max(initial=-np.inf))).all()
    # 1e-3 allows for rounding in probabilities that were computed in float32.
    shares = lowest >= 0 and (abs(target.sum(axis=1) - 1) < 1e-3)
    several = ~(alone & (two_values | shares))
    if several.any():
        first = int(several.argmax())
        raise ValueError(
            f"`class_weight` needs one class per sample, but the target of sample {start + first} is {target[first]}. With "
            "several labels per sample pass sample_weight, a number for each sample; or weight the labels in a custom loss, "
            "such as lambda y, p: K.mean(K.binary_crossentropy(y, p) * weights, axis=-1)"
        )
    labels: Array = target.argmax(axis=1)
    return labels


def _weights_of(class_weight: Mapping[Any, float], target: Array, start: int) -> Array:
    labels = _classes(target, start)
    classes, places = np.unique(labels, return_inverse=True)
    missing = [c for c in classes.tolist() if c not in class_weight]
    if missing:
        raise ValueError(
            "`class_weight` must contain all classes in the data. "
            f"The classes {set(missing)} exist in the data but not in `class_weight`."
        )
    table = as_array([class_weight[c] for c in classes.tolist()], floatx(), "class_weight")
    if not np.isfinite(table).all():
        raise ValueError("class_weight: expected finite numbers, got NaN or infinity")
    return table[places]
