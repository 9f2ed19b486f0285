"""Objects by name, the progress bar, and small helpers that scripts for Keras import. Source: Keras 2.2.5."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from lamella.callbacks.progbar import Progbar as Progbar
from lamella.core.configurable import serialize as serialize_keras_object
from lamella.core.keras_names import complete as _complete
from lamella.core.lists import to_list as to_list
from lamella.core.lists import unpack_singleton as unpack_singleton
from lamella.core.registry import custom_object_scope as custom_object_scope
from lamella.core.registry import get_custom_objects as get_custom_objects

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope", "Progbar", "check_for_unexpected_keys", "custom_object_scope", "deserialize_keras_object", "func_dump",
    "func_load", "get_custom_objects", "getargspec", "has_arg", "is_all_none", "object_list_uid", "serialize_keras_object",
    "slice_arrays", "to_list", "transpose_shape", "unpack_singleton",
]  # fmt: skip


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that `serialize_keras_object` described. Classes and functions are found only by name.

    Args:
        identifier: {"class_name", "config"} for an instance; a name for the object with that name.
        module_objects: Objects by name.
        custom_objects: Objects by name, used before those of open scopes, which are used before module_objects.
        printable_module_name: The kind of object, for messages.

    Raises:
        ValueError: The name is unknown or the identifier has another form. The messages are those of Keras.

    Source: Keras 2.2.5.
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


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether fn(name=...) can be called.

    Args:
        fn: The function.
        name: Name of the argument.
        accept_all: Whether **kwargs of fn also accept the argument.
    """
    parameters = inspect.signature(fn).parameters
    if name not in parameters:
        return accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return parameters[name].kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def getargspec(fn: Callable[..., Any]) -> inspect.FullArgSpec:
    """The names and defaults of a function's arguments: args, varargs, varkw, defaults and so on."""
    return inspect.getfullargspec(fn)


def object_list_uid(object_list: Any) -> str:
    """A text that identifies a list of objects, in this order, as long as they exist."""
    return ", ".join(str(id(x)) for x in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether a value is None, or a list or tuple has only entries None."""
    values = iterable_or_element if isinstance(iterable_or_element, (list, tuple)) else [iterable_or_element]
    return all(value is None for value in values)


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """A part of each array.

    Args:
        arrays: An array, or a list of arrays and None.
        start: The first index, or a list or array of indices.
        stop: The index after the last one, if `start` is not a list or array.

    Returns:
        array[start:stop], or array[start] for a list of indices. A list for a list, in which None stays None; [None] for None.

    Deviation from Keras 2.2.5, which returns [None] for one array and an int.
    """
    if arrays is None:
        return [None]
    # HDF5 datasets accept only lists of indices.
    key = (start.tolist() if hasattr(start, "tolist") else list(start)) if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if array is None else array[key] for array in arrays]
    return arrays[key]


def transpose_shape(shape: Sequence[Any], target_format: str, spatial_axes: Sequence[int]) -> Sequence[Any]:
    """A channels-last shape in another data format.

    Args:
        shape: The shape, channels last.
        target_format: "channels_first" or "channels_last".
        spatial_axes: The spatial axes of `shape`. With "channels_first" the channels are placed before them.

    Returns:
        A list if `shape` is a list, else a tuple.

    Raises:
        ValueError: target_format is neither.
    """
    if target_format == "channels_last":
        return shape
    if target_format != "channels_first":
        raise ValueError(
            f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {target_format}'
        )
    moved = [*shape[: spatial_axes[0]], shape[-1], *(shape[axis] for axis in spatial_axes)]
    return moved if isinstance(shape, list) else tuple(moved)


def check_for_unexpected_keys(name: str, input_dict: Mapping[Any, Any], expected_values: Collection[Any]) -> None:
    """Raise ValueError if input_dict has unexpected keys. The message names them, and the dictionary by `name`."""
    unknown = [key for key in input_dict if key not in expected_values]
    if unknown:
        raise ValueError(
            f"Unknown entries in {name} dictionary: {unknown}. Only expected following keys: {list(expected_values)}"
        )


_MARSHALLED = "marshalled Python code runs only in the version that wrote it, and can do anything"


def func_dump(func: Callable[..., Any]) -> NoReturn:
    """Raises NotImplementedError: lamella never writes code into a file."""
    raise NotImplementedError(f"func_dump: {_MARSHALLED}; register the function in get_custom_objects() and save its name")


def func_load(code: Any, defaults: Iterable[Any] | None = None, closure: Any = None, globs: Any = None) -> NoReturn:
    """Raises NotImplementedError: lamella never runs code from a file."""
    raise NotImplementedError(f"func_load: {_MARSHALLED}; pass the function by its name in custom_objects")


_complete(__name__)
