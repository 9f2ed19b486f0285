"""What compile takes as a loss: functions of Keras 2.2.5, and the objects of class Loss of Keras 2.3 and tf.keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core import configurable
from lamella.core.registry import names
from lamella.losses.functions import *  # noqa: F403
from lamella.losses.objects import *  # noqa: F403
from lamella.losses.objects import Loss, Reduction


def serialize(loss: Any) -> Any:
    """The name of a loss function."""
    return configurable.serialize(loss)


def deserialize(name: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss of that name, or of {"class_name", "config"}. Raises ValueError "Unknown loss function: ..."."""
    return configurable.deserialize("losses", name, custom_objects)


def get(identifier: Any) -> Any:
    """A name or config, or a function as it is; None stays None. Raises ValueError for anything else."""
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    raise ValueError(f"Could not interpret loss function identifier: {identifier}")


__all__ = list(names("losses"))
__all__ += ["Loss", "Reduction", "deserialize", "get", "serialize"]
