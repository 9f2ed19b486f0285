"""Configs derived from constructors: an argument is stored under its own name, so `get_config` can be read off."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from lamella.core import registry
from lamella.core.flags import check_flags
from lamella.core.pickling import PickledByName
from lamella.core.variable import Variable

Config = dict[str, Any]  # Any: JSON-like values
Spec = Any  # what `deserialize` takes: a name, a config, an object or a function
C = TypeVar("C", bound="Configurable")

_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@functools.cache
def own_arguments(cls: type, base: type = object) -> tuple[str, ...]:
    """Names of the constructor's arguments, most derived class first, down to but without `base`.

    A constructor that passes **kwargs on adds the arguments of the next one up.
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


def given(names: Mapping[str, Any]) -> dict[str, Any]:
    """The named arguments of a constructor from its `locals()`: for a constructor that hands all of them on.

    Args:
        names: `locals()` as the first thing in the constructor.
    """
    return {name: value for name, value in names.items() if name not in ("self", "kwargs", "__class__")}


class InProcess:
    """A value that stands in a config as it is, for copies within the process; a file holds `name`, or refuses it.

    Args:
        value: The object.
        name: What stands for it in a file; None where nothing can.
        reason: Why not, and what to do.
    """

    def __init__(self, value: Any, name: str | None, reason: str) -> None:
        self.value = value
        self.name = name
        self.reason = reason

    def saved(self) -> str:
        """Raises NotImplementedError with the reason where no file can hold the value."""
        if self.name is None:
            raise NotImplementedError(self.reason)
        return self.name


def plain(value: Any) -> Any:
    """A value as JSON-like data: objects become {"class_name", "config"}, functions their names.

    Raises:
        NotImplementedError: A value stands for itself, see `InProcess`.
        ValueError: A value has no config and no name.
    """
    if isinstance(value, InProcess):
        return value.saved()
    if isinstance(value, (np.generic, np.ndarray, Variable)):  # np.float64 is a float, too
        return np.asarray(value).tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v) for v in value)
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return serialize(value)


class Configurable(PickledByName):
    """Base of everything that is described by its constructor's arguments."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_flags(cls)

    def get_config(self) -> Config:
        cls: type = type(self)
        return self._stored(own_arguments(cls), strict=type(self).get_config is Configurable.get_config)

    @classmethod
    def from_config(cls: type[C], config: Config) -> C:
        return cls(**config)

    def _stored(self, names: tuple[str, ...], *, strict: bool) -> Config:
        """The named attributes. `strict`: raises NotImplementedError if one is not there.

        Not strict for a class with a get_config of its own: it asks only for the part that it does not know.
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
    """The description of an object: {"class_name": ..., "config": ...}; of a function its name; of None None.

    Args:
        obj: The object.

    Raises:
        ValueError: It is something else.
    """
    if obj is None:
        return None
    if hasattr(obj, "get_config") and not isinstance(obj, type):
        return {"class_name": type(obj).__name__, "config": obj.get_config()}
    if hasattr(obj, "__name__"):
        return obj.__name__
    raise ValueError(f"Cannot serialize {obj!r}")


def deserialize(room: str, spec: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object that `serialize` described.

    Args:
        spec: {"class_name", "config"} -> an instance; a name -> the registered function, or an instance if the name is a class;
            None and anything callable or configurable are returned as they are.

    Raises:
        ValueError: For an unknown name ("Unknown layer: Foo") or a spec of another kind.
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
            # A loss, metric or activation is a function as it stands; elsewhere functions make what is wanted.
            return found if registry.holds_functions(room) and not config else found(**config)
        with registry.custom_object_scope(custom_objects or {}):
            # A Sequential of Keras before 2.2 has a list for its config.
            return found.from_config(dict(config) if isinstance(config, Mapping) else config)
    if callable(spec):
        return spec
    raise ValueError(f"Could not interpret {registry.noun(room)} identifier: {spec}")
