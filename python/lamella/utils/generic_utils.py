"""Objects by name, the progress bar, and small helpers that scripts for Keras import. Source: Keras 2.2.5."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from lamella.callbacks.progbar import Progbar as Progbar
from lamella.core.configurable import serialize as serialize_keras_object
from lamella.core.keras_names import complete as _complete
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
    """What `serialize_keras_object` described, looked up by name only.

    Args:
        identifier: {"class_name", "config"} for an instance, a name for the object of that name.
        module_objects: The names that are known; custom_objects and then those of open scopes come first.

    Raises:
        ValueError: In Keras's own words.

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
    """Whether fn(name=...) may be called: `name` is a parameter that takes a keyword, or with accept_all fn has **kwargs."""
    parameters = inspect.signature(fn).parameters
    if name not in parameters:
        return accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return parameters[name].kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def getargspec(fn: Callable[..., Any]) -> inspect.FullArgSpec:
    """args, varargs, varkw, defaults ... of a function."""
    return inspect.getfullargspec(fn)


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """x itself if it is a list; a tuple as a list if that is allowed; else [x]."""
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The only entry of a list or tuple of one, else x."""
    return x[0] if len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A text that is the same for the same objects in the same order, while they live."""
    return ", ".join(str(id(x)) for x in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether there is nothing but None: in a list or tuple, or the value itself."""
    values = iterable_or_element if isinstance(iterable_or_element, (list, tuple)) else [iterable_or_element]
    return all(value is None for value in values)


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """arrays[start:stop], or arrays[start] where `start` is a list or array of indices; of a list of arrays, a list.

    None stays None, and alone is [None]. Other than Keras 2.2.5, which returns [None] for one array and an int.
    """
    if arrays is None:
        return [None]
    # HDF5 datasets take lists only.
    key = (start.tolist() if hasattr(start, "tolist") else list(start)) if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if array is None else array[key] for array in arrays]
    return arrays[key]


def transpose_shape(shape: Sequence[Any], target_format: str, spatial_axes: Sequence[int]) -> Sequence[Any]:
    """A channels-last shape in target_format, a tuple or list as it came.

    Args:
        spatial_axes: The axes of space within `shape`, which the channels go before.

    Raises:
        ValueError: For another word than "channels_first" or "channels_last".
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
    """Raises ValueError that names the keys of input_dict which are not expected."""
    unknown = [key for key in input_dict if key not in expected_values]
    if unknown:
        raise ValueError(
            f"Unknown entries in {name} dictionary: {unknown}. Only expected following keys: {list(expected_values)}"
        )


_MARSHALLED = "marshalled code of Python runs only in the version that wrote it, and runs whatever a file says"


def func_dump(func: Callable[..., Any]) -> NoReturn:
    """Raises NotImplementedError: lamella never writes code into a file."""
    raise NotImplementedError(f"func_dump: {_MARSHALLED}; register the function in get_custom_objects() and save its name")


def func_load(code: Any, defaults: Iterable[Any] | None = None, closure: Any = None, globs: Any = None) -> NoReturn:
    """Raises NotImplementedError: lamella never runs code from a file."""
    raise NotImplementedError(f"func_load: {_MARSHALLED}; give the function by its name in custom_objects")


_complete(__name__)
