"""Scopes of names: weights are named after the layers that are called when they are made, as in Keras 2.2.5."""

from __future__ import annotations

import threading

from lamella.core.atomic import Scope
from lamella.core.names import next_uid


class _Current(threading.local):
    path: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.taken = set[str]()  # the names given since the outermost scope began


_current = _Current()


def inside(name: str) -> Scope:
    """A scope in which names begin with the names of the scopes around it, and with this one."""
    fresh = [] if _current.path else [(_current, "taken", set[str]())]
    return Scope((_current, "path", (*_current.path, name)), *fresh)


def opened(name: str | None) -> Scope:
    """The scope of name_scope, as in TensorFlow: a name that ends with a slash is the whole path, and none leaves all scopes."""
    if name and not name.endswith("/"):
        return inside(name)
    return Scope((_current, "path", tuple(part for part in (name or "").split("/") if part)))


def at_least_inside(name: str) -> Scope:
    """The scope of this name; if there is one already, that one."""
    return Scope() if _current.path else inside(name)


def scoped(name: str, otherwise: str) -> str:
    """The name with those of the scopes before it: "lstm_1/kernel", for a second one "lstm_1/kernel_1".

    Args:
        name: The name.
        otherwise: The result outside of all scopes.
    """
    if not _current.path:
        return otherwise
    first = found = "/".join((*_current.path, name))
    number = 0
    while found in _current.taken:
        number += 1
        found = f"{first}_{number}"
    _current.taken.add(found)
    return found


def variable_name(name: str | None = None) -> str:
    """The name for a new Variable, which may be given: "x:0", "Variable_1:0", in scopes "dense_1/x:0", "dense_1/Variable:0"."""
    otherwise = name or (f"Variable_{next_uid('Variable')}" if not _current.path else "")
    return f"{scoped(name or 'Variable', otherwise)}:0"


def path() -> str:
    """The names of the scopes, each with a slash."""
    return "".join(f"{name}/" for name in _current.path)
