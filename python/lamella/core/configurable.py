"""Configs that are derived from constructors: each argument is stored under its own name, where `get_config` finds it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from lamella.core import registry
from lamella.core.flags import check_flags
from lamella.core.pickling import PickledByName
from lamella.core.user_array import of_lamella
from lamella.core.variable import Variable

Config = dict[str, Any]  # Any: JSON-like values
Spec = Any  # what `deserialize` takes: a name, a config, an object or a function
C = TypeVar("C", bound="Configurable")

_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@functools.cache
def own_arguments(cls: type, base: type = object) -> tuple[str, ...]:
    """The names of the constructor's arguments.

    If a constructor takes **kwargs, the arguments of the base class's constructor follow.

    Args:
        cls: The class.
        base: The base class whose arguments, and those of its bases, are left out.
    """
    names: list[str] = []
    for kind in cls.__mro__:
        if kind is base or kind is object:
            break
        if "__init__" not in vars(kind):
            continue
        parameters = list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]
        names += [p.name for p in parameters if p.kind not in _OPEN and p.name not in names]
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return tuple(names)


def described_class(cls: type) -> type:
    """The class whose constructor's arguments a base class's `get_config` gives.

    It is the class itself. A script's class with a get_config of its own adds its arguments there, so that this is its first base
    of lamella; as in Keras, the script may leave out arguments of its own, also those that no config can hold.
    """
    defining = next(kind for kind in cls.__mro__ if "get_config" in vars(kind))
    return cls if of_lamella(defining) else next(kind for kind in cls.__mro__ if of_lamella(kind))


def given(names: Mapping[str, Any]) -> dict[str, Any]:
    """The named arguments of a constructor, for a constructor that passes all of them on.

    Args:
        names: `locals()`, called by the first statement of the constructor.
    """
    return {name: value for name, value in names.items() if name not in ("self", "kwargs", "__class__")}


class InProcess:
    """An object in a config that is kept as it is for copies in this process. In a file `name` stands for it, if it has one.

    Args:
        value: The object.
        name: Its name in a file; None if a file cannot hold it.
        reason: Why a file cannot hold it, and what to do; for the error.
    """

    def __init__(self, value: Any, name: str | None, reason: str) -> None:
        self.value = value
        self.name = name
        self.reason = reason

    def saved(self) -> str:
        """The name for a file.

        Raises:
            NotImplementedError: A file cannot hold the value. The message is the reason.
        """
        if self.name is None:
            raise NotImplementedError(self.reason)
        return self.name


def plain(value: Any) -> Any:
    """A value as JSON-like data: objects become {"class_name": ..., "config": ...}, functions become their names.

    Raises:
        NotImplementedError: A file cannot hold a value, see `InProcess`.
        ValueError: A value has neither a config nor a name.
    """
    if isinstance(value, InProcess):
        return value.saved()
    if isinstance(value, (np.generic, np.ndarray, Variable)):  # np.float64 is a float, too
        return np.asarray(value).tolist()
    if isinstance(value, str):
        return str(value)  # a DTypeName becomes a plain string
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        plain_values = [plain(v) for v in value]
        return plain_values if isinstance(value, list) else tuple(plain_values)
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return serialize(value)


class Configurable(PickledByName):
    """Base of all classes whose objects are described by the arguments of their constructor."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_flags(cls)

    def get_config(self) -> Config:
        """The arguments of the constructor, as JSON-like data.

        Raises:
            NotImplementedError: An argument is not stored under its name.
        """
        cls: type = type(self)
        return self._stored(own_arguments(described_class(cls)), strict=type(self).get_config is Configurable.get_config)

    @classmethod
    def from_config(cls: type[C], config: Config) -> C:
        """An object with the arguments in `config`, as `get_config` returned them."""
        return cls(**config)

    def _stored(self, names: tuple[str, ...], *, strict: bool) -> Config:
        """The attributes with these names, as JSON-like data.

        Args:
            names: The names.
            strict: Whether all must exist. Not for a class with its own get_config, which adds the missing ones itself.

        Raises:
            NotImplementedError: `strict`, and an attribute does not exist.
        """
        config: Config = {}
        for name in names:
            if hasattr(self, name):
                config[name] = plain(getattr(self, name))
            elif strict:
                who = type(self).__name__
                raise NotImplementedError(
                    f"{who}: the constructor's argument {name!r} is not an attribute, so the config cannot be "
                    f"derived; store it as self.{name} or define get_config()"
                )
        return config


def serialize(obj: Any) -> Any:
    """The description of an object: {"class_name": ..., "config": ...}, the name of a function, or None for None.

    Args:
        obj: The object.

    Raises:
        ValueError: The object has neither a config nor a name.
    """
    if obj is None:
        return None
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        return {"class_name": type(obj).__name__, "config": obj.get_config()}
    if hasattr(obj, "__name__"):
        return obj.__name__
    raise ValueError(f"Cannot serialize {obj!r}")


def deserialize(room: str, spec: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object of a description by `serialize`.

    Args:
        room: The room of the registry.
        spec: {"class_name": ..., "config": ...} for an object of the class; a name for the registered function, or for an object
            of the class if it names a class. None, and a callable or configurable object, are returned as they are.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The name is unknown ("Unknown layer: Foo"), or spec is something else.
    """
    if spec is None or isinstance(spec, Configurable):
        return spec
    if isinstance(spec, str):
        found = registry.get(room, spec, custom_objects)
        return found() if isinstance(found, type) or registry.is_factory(found) else found
    if isinstance(spec, Mapping):
        if "class_name" not in spec or "config" not in spec:
            raise ValueError(f"Improper config format: {spec}")
        found = registry.get(room, spec["class_name"], custom_objects)
        config = spec["config"]
        if not hasattr(found, "from_config"):
            # Losses, metrics and activations are functions themselves. In other rooms a function returns the object.
            return found if registry.holds_functions(room) and not config else found(**config)
        with registry.custom_object_scope(custom_objects or {}):
            # Before Keras 2.2 the config of a Sequential was a list.
            return found.from_config(dict(config) if isinstance(config, Mapping) else config)
    if callable(spec):
        return spec
    raise ValueError(f"Could not interpret {registry.noun(room)} identifier: {spec}")
