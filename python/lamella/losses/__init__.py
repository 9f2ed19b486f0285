"""Losses: the functions of Keras 2.2.5, and objects of class Loss as in Keras 2.3 and tf.keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core import configurable
from lamella.core.registry import names
from lamella.losses.functions import *  # noqa: F403
from lamella.losses.objects import *  # noqa: F403
from lamella.losses.objects import Loss, Reduction


def serialize(loss: Any) -> Any:
    """The name of a loss function, or the description of a loss object.

    Args:
        loss: The loss.
    """
    return configurable.serialize(loss)


def deserialize(name: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss of a name or description.

    Args:
        name: A name, or {"class_name": ..., "config": ...}.
        custom_objects: Functions and classes by name.

    Raises:
        ValueError: The name is unknown ("Unknown loss function: ...").
    """
    return configurable.deserialize("losses", name, custom_objects)


def get(identifier: Any) -> Any:
    """The loss that `identifier` names or describes.

    Args:
        identifier: A name, a description, a function or object, which is returned itself, or None.

    Raises:
        ValueError: It is something else, or an unknown name.
    """
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    raise ValueError(f"Could not interpret loss function identifier: {identifier}")


__all__ = list(names("losses"))
__all__ += ["Loss", "Reduction", "deserialize", "get", "serialize"]
