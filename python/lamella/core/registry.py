"""Names to objects, room by room: the only place where a string becomes a class or a function.

No name is ever imported or evaluated: one that is not loaded yet is looked for in the lists of `layers` and `models`, which say
where it stands. So a config from a stranger reaches registered objects only.
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

# What one entry of a room is called in messages; Keras 2's own words.
_NOUNS = {
    "activations": "activation function",
    "losses": "loss function",
    "metrics": "metric function",
}

# The rooms whose entries load with their first use, and the packages that list them. These stand above those that look names
# up here, so a lookup loads them.
_HOMES = {"functions": ("lamella.backend",), "layers": ("lamella.layers", "lamella.models")}
# Their names mean what lamella registered and nothing else.
_CLOSED = {"functions"}

_rooms: dict[str, dict[str, Any]] = {}  # Any: a room holds classes, functions and factories
_custom: dict[str, Any] = {}  # of the process
_factories: set[Any] = set()


# What open scopes of this thread add, with what stands in _custom; None outside of a scope. Not thread-local: threads that
# work for another one, as a Sequence's do, run in a copy of its context.
_scope: ContextVar[dict[str, Any] | None] = ContextVar("custom_object_scope", default=None)


def register(room: str, *names: str) -> Callable[[T], T]:
    """Decorator: list `obj` in `room` under its `__name__` and under every further name given."""

    def decorate(obj: T) -> T:
        for name in (obj.__name__, *names):  # type: ignore[attr-defined]
            enter(room, name, obj)
        return obj

    return decorate


def enter(room: str, name: str, obj: object) -> None:
    """List `obj` in `room`. Raises ValueError if another has the name."""
    entries = _rooms.setdefault(room, {})
    if entries.setdefault(name, obj) is not obj:
        raise ValueError(f"{room}: the name {name!r} is already taken by {entries[name]!r}")


def register_factory(room: str, *names: str) -> Callable[[T], T]:
    """As `register`, for functions such as glorot_uniform whose name alone means what they return."""

    def decorate(obj: T) -> T:
        _factories.add(obj)
        return register(room, *names)(obj)

    return decorate


def is_factory(obj: object) -> bool:
    return obj in _factories


def holds_functions(room: str) -> bool:
    """Whether functions are entries of the room themselves, and do not make them."""
    return room in _NOUNS


def noun(room: str) -> str:
    return _NOUNS.get(room, room.rstrip("s"))


def find(room: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any | None:
    """The object called `name`: custom_objects first, then open scopes, then the room; None if nowhere.

    In a closed room only what lamella registered there.
    """
    for table in (custom_objects or {}, _scope.get() or {}, _custom) if room not in _CLOSED else ():
        if name in table:
            return table[name]
    entries = _rooms.setdefault(room, {})
    if name not in entries:
        _load(room, (name,))
    return entries.get(name)


def _load(room: str, wanted: Iterable[str] | None = None) -> None:
    """Have the packages that list names of the room register the wanted ones, or all."""
    for home in _HOMES.get(room, ()):
        package, listed = importlib.import_module(home), lazy.listed(home)
        for name in listed if wanted is None else wanted:
            if name in listed:
                getattr(package, name)


def get(room: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """As `find`, but raises ValueError "Unknown layer: Foo", with the nearest name, where nothing has that name."""
    found = find(room, name, custom_objects)
    if found is None:
        raise ValueError(f"Unknown {noun(room)}: {name}{_hint(room, name, custom_objects or {})}")
    return found


def _hint(room: str, name: object, custom_objects: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    if keras_refusals.reason(f"{room}.{name}") is not None:
        return f" ({keras_names.refusal(f'{room}.{name}')})"
    # Whoever writes Relu or DENSE means the name in other letters.
    listed = [name for home in _HOMES.get(room, ()) for name in lazy.listed(home)]
    known = {known.lower(): known for known in [*listed, *sorted(_rooms.get(room, ())), *get_custom_objects(), *custom_objects]}
    # A list has functions, too, so the nearest three are looked up; a room is not loaded to say what is not in it.
    near = (known[low] for low in difflib.get_close_matches(name.lower(), known, 3))
    meant = next((name for name in near if find(room, name, custom_objects) is not None), None)
    return "" if meant is None else f" (did you mean '{meant}'?)"


def names(room: str) -> list[str]:
    """All names of a room, sorted."""
    _load(room)
    return sorted(_rooms.get(room, {}))


def name_of(room: str, obj: object) -> str | None:
    """The first name that `obj` was registered under, or None."""
    for name, entry in _rooms.get(room, {}).items():
        if entry is obj:
            return name
    return None


def find_custom(name: str) -> Any | None:
    """The custom object called `name`, of open scopes or of the process; None if there is none."""
    return get_custom_objects().get(name)


def custom_name_of(obj: object) -> str | None:
    """The first name that `obj` has among the custom objects, or None."""
    return next((name for name, entry in get_custom_objects().items() if entry is obj), None)


def custom_object_scope(*objects: Mapping[str, Any]) -> Scope:
    """A `with` block in which this thread's lookups in every room find the given objects by name first.

    It begins with what get_custom_objects holds when it is made. Ctrl-C cannot leave it open.
    """
    table = dict(get_custom_objects())
    for mapping in objects:
        table.update(mapping)
    return Scope((_scope, table))


def get_custom_objects() -> dict[str, Any]:
    """A live table. Entries put here stay, for all threads; within a `custom_object_scope` they go with it, as in Keras."""
    table = _scope.get()
    return _custom if table is None else table
