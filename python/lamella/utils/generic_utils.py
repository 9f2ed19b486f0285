"""Objects by name, and the progress bar."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lamella.callbacks.progbar import Progbar as Progbar
from lamella.core.configurable import serialize as serialize_keras_object
from lamella.core.registry import custom_object_scope as custom_object_scope
from lamella.core.registry import get_custom_objects as get_custom_objects

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope", "Progbar", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
    "serialize_keras_object",
]  # fmt: skip


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """What `serialize_keras_object` described, looked up by name only.

    Args:  identifier: {"class_name", "config"} for an instance, a name for the object of that name.  module_objects: the
        names that are known; custom_objects and then those of open scopes come first.
    Raises:  ValueError in Keras's own words.
    Source:  Keras 2.2.5.
    """
    scope = get_custom_objects()

    def find(name: Any) -> Any:
        for known in (custom_objects or {}, scope, module_objects or {}):
            if name in known:
                return known[name]
        return None

    if isinstance(identifier, str):
        found = find(identifier)
        if found is None:
            raise ValueError(f"Unknown {printable_module_name}:{identifier}")
        return found
    if not isinstance(identifier, Mapping):
        raise ValueError(f"Could not interpret serialized {printable_module_name}: {identifier}")
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(f"Improper config format: {identifier}")
    found, config = find(identifier["class_name"]), identifier["config"]
    if found is None:
        raise ValueError(f"Unknown {printable_module_name}: {identifier['class_name']}")
    with custom_object_scope(custom_objects or {}):
        if not hasattr(found, "from_config"):
            return found(**config)
        if "custom_objects" in inspect.signature(found.from_config).parameters:
            return found.from_config(config, custom_objects={**scope, **(custom_objects or {})})
        return found.from_config(config)
