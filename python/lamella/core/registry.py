"""Finds classes and functions by name, room by room. No other module does so.

A name is never imported or evaluated. A name that is not yet loaded is searched in the lists of the packages in _HOMES, which
contain the modules of names. So a config from an unknown source can use only registered objects.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from lamella.core import keras_names, keras_refusals, lazy
from lamella.core.atomic import Scope

T = TypeVar("T")

# Names longer than any of ours are not compared: the time grows with the length.
_LONGEST = 64

# The word for one entry of a room in messages, as in Keras 2.
_NOUNS = {
    "activations": "activation function",
    "losses": "loss function",
    "metrics": "metric function",
}

# The rooms whose entries are loaded at their first use, and the packages that list them. Rooms that search names here must not
# import these packages, so the search loads them.
_HOMES = {"functions": ("lamella.backend",), "layers": ("lamella.layers", "lamella.models")}
# Rooms in which only names that lamella registered are found, and no custom objects.
_CLOSED = {"functions"}

_rooms: dict[str, dict[str, Any]] = {}  # Any: a room holds classes, functions and factories
_custom: dict[str, Any] = {}  # the custom objects of the process
# Its name in Keras. As scopes belong to threads here, it does not have their entries, and in a scope new entries are not seen.
_GLOBAL_CUSTOM_OBJECTS = _custom
_factories: set[Any] = set()


# The custom objects in the scopes of this thread, with those of the process; None outside of a scope. Not thread-local: threads
# that work for another thread, such as the workers of a Sequence, run in a copy of its context.
_scope: ContextVar[dict[str, Any] | None] = ContextVar("custom_object_scope", default=None)


def register(room: str, *names: str) -> Callable[[T], T]:
    """Decorator: list `obj` in `room` under its `__name__` and under every further name given."""

    def decorate(obj: T) -> T:
        for name in (obj.__name__, *names):  # type: ignore[attr-defined]
            enter(room, name, obj)
        return obj

    return decorate


def enter(room: str, name: str, obj: object) -> None:
    """List `obj` in `room` under a name.

    Raises:
        ValueError: Another object has this name.
    """
    entries = _rooms.setdefault(room, {})
    if entries.setdefault(name, obj) is not obj:
        raise ValueError(f"{room}: the name {name!r} is already taken by {entries[name]!r}")


def register_factory(room: str, *names: str) -> Callable[[T], T]:
    """The same as `register`, for functions such as glorot_uniform, whose name stands for the object that they return."""

    def decorate(obj: T) -> T:
        _factories.add(obj)
        return register(room, *names)(obj)

    return decorate


def is_factory(obj: object) -> bool:
    """Whether `obj` was registered by `register_factory`."""
    return obj in _factories


def holds_functions(room: str) -> bool:
    """Whether the functions of the room are the objects themselves, instead of functions that return them."""
    return room in _NOUNS


def noun(room: str) -> str:
    """The word for one entry of the room in messages."""
    return _NOUNS.get(room, room.rstrip("s"))


def find(room: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any | None:
    """The object with a name, or None.

    It is searched in custom_objects, then in the scopes of this thread, then in the room. In a closed room only objects that
    lamella registered there are found.

    Args:
        room: The room.
        name: The name.
        custom_objects: Objects by name.
    """
    for table in (custom_objects or {}, _scope.get() or {}, _custom) if room not in _CLOSED else ():
        if name in table:
            return table[name]
    entries = _rooms.setdefault(room, {})
    if name not in entries:
        _load(room, (name,))
    return entries.get(name)


def _load(room: str, wanted: Iterable[str] | None = None) -> None:
    """Load the wanted names, or all names, that packages list for the room. Loading registers them."""
    for home in _HOMES.get(room, ()):
        package, listed = importlib.import_module(home), lazy.listed(home)
        for name in listed if wanted is None else wanted:
            if name in listed:
                getattr(package, name)


def get(room: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The object with a name, as in `find`.

    Raises:
        ValueError: There is none ("Unknown layer: Foo"). The message suggests the most similar name.
    """
    found = find(room, name, custom_objects)
    if found is None:
        raise ValueError(f"Unknown {noun(room)}: {name}{_hint(room, name, custom_objects or {})}")
    return found


def _hint(room: str, name: object, custom_objects: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    if keras_refusals.reason(f"{room}.{name}") is not None:
        return f" ({keras_names.refusal(f'{room}.{name}')})"
    # Upper and lower case are ignored, so that Relu and DENSE are similar to relu and Dense.
    listed = [name for home in _HOMES.get(room, ()) for name in lazy.listed(home)]
    known = {known.lower(): known for known in [*listed, *sorted(_rooms.get(room, ())), *get_custom_objects(), *custom_objects]}
    # The lists also contain names that are not in the room, so only the three most similar names are loaded and checked.
    near = (known[low] for low in difflib.get_close_matches(name.lower(), known, 3))
    meant = next((name for name in near if find(room, name, custom_objects) is not None), None)
    return "" if meant is None else f" (did you mean '{meant}'?)"


def names(room: str) -> list[str]:
    """All names of a room, sorted."""
    _load(room)
    return sorted(_rooms.get(room, {}))


def current_function(name: str) -> Any:
    """The function that `lamella.backend` has under this name now: optimizers of Keras's time replace K.update for a while."""
    return getattr(importlib.import_module("lamella.backend"), name)


def name_of(room: str, obj: object) -> str | None:
    """The first name under which `obj` was registered, or None."""
    for name, entry in _rooms.get(room, {}).items():
        if entry is obj:
            return name
    return None


def find_custom(name: str) -> Any | None:
    """The custom object with a name, from the scopes of this thread or from the process; None if there is none."""
    return get_custom_objects().get(name)


def custom_name_of(obj: object) -> str | None:
    """The first name that `obj` has among the custom objects, or None."""
    return next((name for name, entry in get_custom_objects().items() if entry is obj), None)


def custom_object_scope(*objects: Mapping[str, Any]) -> Scope:
    """A `with` block in which this thread finds the given objects by name before those of the rooms.

    The custom objects that exist when the block is made can also be found in it. Ctrl-C cannot prevent the end of the block.

    Args:
        *objects: Dicts from names to classes and functions. A later dict replaces the names of an earlier one.
    """
    table = dict(get_custom_objects())
    for mapping in objects:
        table.update(mapping)
    return Scope((_scope, table))


def get_custom_objects() -> dict[str, Any]:
    """The custom objects by name, as a dict that may be changed.

    A change is permanent and for all threads. Inside of a `custom_object_scope` it is undone at the scope's end, as in Keras.
    """
    table = _scope.get()
    return _custom if table is None else table
