"""Pickles of objects that contain local classes and functions, which are written by name, as in model files.

pickle writes a class or function as the module and name from which to import it. A class or function that was defined inside a
function cannot be imported. Here its name is written, and it is searched among the custom objects when the pickle is loaded.
Copies made by `copy` share the class or function itself. A pickler that writes code by value, such as cloudpickle, does so here
too.
"""

from __future__ import annotations

import copy
import copyreg
import functools
import pickle
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, SupportsIndex, TypeVar
from weakref import WeakValueDictionary

from lamella.core import registry

P = TypeVar("P", bound="PickledByName")
Reduction = Any  # the result of __reduce_ex__: a tuple, or for a custom class also a string

# Classes that are in no module, and that pickle can write.
_KNOWN = (type(None), type(Ellipsis), type(NotImplemented))


class _Reference(type):
    """A class made at run time that replaces a local class or function in a pickle.

    pickle asks copyreg how to write an object of this type. A pickler by value does not. It writes this class, with its contents,
    like every class that is made at run time.
    """

    held: tuple[Any]
    where: str


class PickledByName:
    """Base of the objects of a model. Local classes and functions in them are pickled by name.

    Pickling raises pickle.PicklingError for a lambda, which has no name. Loading raises ValueError for a name without a custom
    object.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> Reduction:
        # Protocols below 2 reduce an object in another form.
        return _by_name(self, super().__reduce_ex__(max(2, protocol.__index__())))

    def __copy__(self: P) -> P:
        """The copy that `copy.copy` would make without `__reduce_ex__`: from the state, without any names."""
        twin = type(self).__new__(type(self))
        state: Any = self.__getstate__()
        if hasattr(twin, "__setstate__"):
            twin.__setstate__(state)
            return twin
        for part in state if isinstance(state, tuple) else (state,):
            for name, value in (part or {}).items():
                object.__setattr__(twin, name, value)
        return twin


class _Box:
    """A value that pickle alone would refuse, in the state of an object. It is loaded and copied as the value."""

    def __init__(self, value: Any, reduce: Callable[[], Reduction]) -> None:
        self.value = value
        self._reduce = reduce

    def __reduce__(self) -> Reduction:
        return self._reduce()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.value, memo)


# By the id of the value, so that an object that is found twice has the same box, and pickle writes it once.
_boxes: WeakValueDictionary[int, _Box] = WeakValueDictionary()


def imported_only() -> dict[type, Any]:
    """The dispatch table for a pickler that refuses local classes and functions, as pickle does without this module."""
    return {kind: reduce for kind, reduce in copyreg.dispatch_table.items() if kind is not _Reference}


def _by_name(obj: Any, reduction: Reduction) -> Reduction:
    """The reduction of `obj`, in which local classes and functions, its class included, are replaced by names."""
    if not isinstance(reduction, tuple) or reduction[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
        return reduction  # the class defines its own __reduce__
    function, (cls, *arguments), *rest = reduction
    name = getattr(obj, "name", None)
    who = f"{type(obj).__name__} '{name}'" if isinstance(name, str) else type(obj).__name__
    if rest:
        rest[0] = _attributes(rest[0], who)
    if _importable(cls):
        return (function, (cls, *arguments), *rest)
    return (_new, (_refer(cls, f"the class of {who}"), *arguments), *rest)


def _attributes(state: Any, who: str) -> Any:
    if isinstance(state, tuple):  # the attributes in __dict__, and those in slots
        return tuple(_attributes(part, who) for part in state)
    if not isinstance(state, Mapping):
        return state
    return {name: _boxed(value, f"{who}: {name}", ()) for name, value in state.items()}


def _boxed(value: Any, where: str, around: tuple[int, ...]) -> Any:
    """`value`, in which boxes replace what pickle cannot write; `value` itself if nothing needs to be replaced.

    Args:
        value: The value.
        where: The object and attribute that contain it, for messages.
        around: The ids of the containers around it.
    """
    kind = type(value)
    if kind is FunctionType or issubclass(kind, type):
        return value if _importable(value) else _box(value, lambda: (_held, (_refer(value, where),)))
    if id(value) in around:
        return value
    around = (*around, id(value))
    if kind is dict:
        held = [_boxed(v, where, around) for v in value.values()]
        return dict(zip(value, held)) if _differ(held, value.values()) else value
    if kind is list or kind is tuple:
        held = [_boxed(v, where, around) for v in value]
        return kind(held) if _differ(held, value) else value
    if kind is functools.partial:
        parts = value.func, value.args, value.keywords
        held = [_boxed(part, where, around) for part in parts]
        return _box(value, lambda: (_partial, tuple(held))) if _differ(held, parts) else value
    if kind.__module__ == "builtins" or _importable(kind) or issubclass(kind, PickledByName):
        return value
    return _box(value, lambda: _by_name(value, value.__reduce_ex__(2)))


def _differ(boxed: Any, values: Any) -> bool:
    return any(a is not b for a, b in zip(boxed, values))


def _box(value: Any, reduce: Callable[[], Reduction]) -> _Box:
    found = _boxes.get(id(value))
    if found is None:
        found = _boxes[id(value)] = _Box(value, reduce)
    return found


def _importable(obj: Any) -> bool:
    """Whether pickle finds the class or function `obj` by its name in its module."""
    if obj in _KNOWN:
        return True
    found: object = sys.modules.get(obj.__module__)
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _refer(obj: Any, where: str) -> _Reference:
    return _Reference(obj.__name__, (), {"held": (obj,), "where": where})


def _name(reference: _Reference) -> tuple[Callable[..., Any], tuple[str, bool]]:
    """The reduction of a reference, which pickle writes."""
    (obj,) = reference.held
    if obj.__name__ == "<lambda>":
        raise pickle.PicklingError(
            f"{reference.where} is a lambda, which has no name by which it could be found when the pickle is loaded: define it "
            "with def, or use cloudpickle, which stores the code itself"
        )
    return _look_up, (obj.__name__, isinstance(obj, type))


copyreg.pickle(_Reference, _name)


def _look_up(name: str, is_class: bool) -> Any:
    found = registry.get_custom_objects().get(name)
    what = "class" if is_class else "function"
    if found is None:
        raise ValueError(
            f"Unknown {what}: {name}. The pickle contains only its name, because it was not defined at the top level of a "
            f"module: load the pickle inside CustomObjectScope({{{name!r}: {name}}})"
        )
    if isinstance(found, type) is not is_class:
        raise ValueError(f"the pickle contains the {what} {name!r}, but the custom object of that name is {found!r}")
    return found


def _held(reference: Any) -> Any:
    """The class or function: of a reference that was copied or written by value its contents, else `reference` itself."""
    return reference.held[0] if type(reference) is _Reference else reference


def _new(reference: Any, *arguments: Any) -> Any:
    cls: Any = _held(reference)
    return cls.__new__(cls, *arguments)


def _partial(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> functools.partial[Any]:
    return functools.partial(function, *arguments, **named)
