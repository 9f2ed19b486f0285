"""Activation functions by name. Each maps an array or tensor to one of the same shape. Source: Keras 2.2.5."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from lamella import ops
from lamella.core import config as _config
from lamella.core.bound_function import bound_lambda
from lamella.core.configurable import deserialize as _deserialize
from lamella.core.graphs import accepts_symbolic as _accepts_symbolic
from lamella.core.keras_names import complete as _complete
from lamella.core.registry import name_of, register
from lamella.core.types import Value
from lamella.core.variable import Variable
from lamella.core.warn import warn
from lamella.ops import activations as _ops
from lamella.ops.activations import *  # noqa: F403
from lamella.ops.tape import Tensor

Activation = Callable[..., Any]  # Any: array or tensor


def softmax(x: Value, axis: int = -1) -> Value:  # type: ignore[no-redef]
    """exp(x) / sum(exp(x)).

    Args:
        x: float32 or float64 with at least two axes; the result has the same.
        axis: The axis of the sum.

    Raises:
        ValueError: x is a vector.
    """
    if len(x.shape) == 1:
        raise ValueError("Cannot apply softmax to a tensor that is 1D")
    return ops.softmax(x, axis=axis)


def elu(x: Value, alpha: float = 1.0) -> Value:  # type: ignore[no-redef]
    """x if x > 0, else alpha * (exp(x) - 1).

    Args:
        x: float32 or float64, any shape; the result has the same.
        alpha: Factor for x <= 0.
    """
    return ops.elu(x, alpha=alpha)


def relu(x: Value, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Value:  # type: ignore[no-redef]
    """Where x > threshold: x, or with a max_value clip(x, 0, max_value). Elsewhere: alpha * (x - threshold).

    Args:
        x: float32 or float64, any shape; the result has the same. Or integers: the result is of their dtype, or with alpha of
            floatx.
        alpha: Slope up to the threshold.
        max_value: The largest value of the result; None for no limit.
        threshold: The threshold.

    Raises:
        TypeError: There is a max_value or a threshold for integers.
    """
    if np.dtype(x.dtype).kind in "iu":
        return _relu_of_integers(x, alpha, max_value, threshold)
    return ops.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


@register("activations")
def linear(x: Any) -> Any:
    """x itself.

    Args:
        x: An array or tensor.
    """
    return x


def _activation(function: Activation) -> Activation:
    """The function for array-likes and symbolic tensors, too, with errors that name it."""
    name = function.__name__

    @functools.wraps(function)
    def activation(x: Any, *arguments: Any, **named: Any) -> Any:
        return function(x if isinstance(x, (Tensor, Variable)) else _floats(name, x), *arguments, **named)

    if "Args:" not in (text := function.__doc__ or ""):
        formula = text.replace("; x: float, any shape", "")
        activation.__doc__ = f"{formula}\n\nArgs:\n    x: float32 or float64, any shape; the result has the same.\n"
    activation.__module__ = __name__  # where pickle finds it
    return register("activations")(_accepts_symbolic("activations")(activation))


def _relu_of_integers(x: Value, alpha: float, max_value: float | None, threshold: float) -> Value:
    if max_value is not None or threshold:
        raise TypeError(f"activations.relu: max_value and threshold need a tensor of floats, got one of {x.dtype}")
    if alpha:
        return ops.relu(ops.cast(x, dtype=_config.floatx()), alpha=alpha)
    return ops.maximum(x, np.zeros((), x.dtype))


def _floats(name: str, x: Any) -> Any:
    """x if it is an array of floats, or of integers for relu; else an array of floatx of its numbers."""
    if isinstance(x, np.ndarray) and x.dtype.kind in ("fiu" if name == "relu" else "f"):
        return x
    try:
        array = np.asarray(x)
    except (ValueError, TypeError):  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind != "f":
        came = f"an array of {array.dtype}" if array.dtype.kind in "biu" else f"a {type(x).__name__}"
        raise TypeError(f"activations.{name}: expected a tensor of floats, got {came}")
    return array.astype(_config.floatx())


# Each op of ops/activations.py is an activation. For some, the functions above have the arguments of Keras.
for _name in sorted(vars(_ops).keys() & set(ops.__all__)):
    globals()[_name] = _activation(globals()[_name])


def get(identifier: Any) -> Activation:  # Any: None, a name, a function, or a layer
    """The activation function that `identifier` names. K.relu becomes the relu of this room. A layer warns, as in Keras.

    Args:
        identifier: None for linear, a name, or a function or layer, which is returned itself.

    Raises:
        ValueError: The name is unknown ("Unknown activation function: foo").
    """
    if hasattr(identifier, "compute_output_shape"):
        warn(
            f"the layer {identifier.name} is the activation of another layer, which does not list or save it; add it to the model "
            "after that layer"
        )
    inner = getattr(identifier, "__wrapped__", None)
    if inner is not None and name_of("activations", inner) is not None:
        identifier = inner
    return linear if identifier is None else bound_lambda(deserialize(identifier))


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Activation:
    """The activation function of a name.

    Args:
        name: A name.
        custom_objects: Functions by name.

    Raises:
        ValueError: The name is unknown ("Unknown activation function: foo").
    """
    found: Activation = _deserialize("activations", name, custom_objects)
    return found


def serialize(activation: Activation) -> str:
    """The name of an activation function, for `get`.

    Args:
        activation: The function.
    """
    return name_of("activations", activation) or activation.__name__


_complete(__name__)
