"""Activation functions by name. Each maps an array or tensor to one of the same shape. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamella import ops
from lamella.core.configurable import deserialize as _deserialize
from lamella.core.keras_names import complete as _complete
from lamella.core.registry import name_of, register
from lamella.core.types import Value
from lamella.core.warn import warn
from lamella.ops import activations as _ops
from lamella.ops.activations import *  # noqa: F403

Activation = Callable[..., Any]  # Any: array or tensor


def softmax(x: Value, axis: int = -1) -> Value:  # type: ignore[no-redef]
    """exp(x) / sum(exp(x)) over `axis`. Raises ValueError for a vector."""
    if len(x.shape) == 1:
        raise ValueError("Cannot apply softmax to a tensor that is 1D")
    return ops.softmax(x, axis=axis)


def elu(x: Value, alpha: float = 1.0) -> Value:  # type: ignore[no-redef]
    """x if x > 0, else alpha * (exp(x) - 1)."""
    return ops.elu(x, alpha=alpha)


def relu(x: Value, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Value:  # type: ignore[no-redef]
    """Where x > threshold: x, clipped to [0, max_value] unless that is None; elsewhere alpha * (x - threshold)."""
    return ops.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


@register("activations")
def linear(x: Any) -> Any:
    return x


# Each op of that module is an activation: as it is, or as the function above that gives it Keras's arguments.
for _name in sorted(vars(_ops).keys() & set(ops.__all__)):
    register("activations")(globals()[_name])


def get(identifier: Any) -> Activation:  # Any: None, a name, a function, or a layer
    """None means linear, and K.relu the relu of this room. Warns of a layer, as Keras does.

    Raises:
        ValueError: "Unknown activation function: foo".
    """
    if hasattr(identifier, "compute_output_shape"):
        warn(
            f"the layer {identifier.name} is the activation of another layer, which neither lists nor saves it; add it to the "
            "model behind that layer"
        )
    inner = getattr(identifier, "__wrapped__", None)
    if inner is not None and name_of("activations", inner) is not None:
        identifier = inner
    return linear if identifier is None else deserialize(identifier)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Activation:
    found: Activation = _deserialize("activations", name, custom_objects)
    return found


def serialize(activation: Activation) -> str:
    """The name that `get` understands."""
    return name_of("activations", activation) or activation.__name__


_complete(__name__)
