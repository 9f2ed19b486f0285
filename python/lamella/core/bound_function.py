"""Functions of users whose variables from outside keep their values.

Keras calls a function once, when it makes the graph: `[Lambda(lambda x: x[:, i])(x) for i in range(3)]` makes three different
layers. Here it runs in each step, when `i` is 2 for all of them. So it runs as a copy that has the values of the first call.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from types import CellType, CodeType, FunctionType
from typing import Any, TypeVar

from lamella.core import registry

F = TypeVar("F", bound=Callable[..., Any])

_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF"})


class _Globals(dict[str, Any]):
    """The globals that a function read at its first call. Others are looked up in its module."""

    def __init__(self, module: dict[str, Any], names: set[str]) -> None:
        always = {"__builtins__", "__name__"}
        super().__init__({name: module[name] for name in names | always if name in module})
        self.module = module

    def __missing__(self, name: str) -> Any:
        return self.module[name]


def bound_function(function: F) -> F:
    """A copy of a Python function that keeps the values that its global and free variables have now.

    Variables that the function itself assigns, that have no value yet, or that functions called by it read, stay as they are. What
    is no Python function is returned itself.
    """
    if type(function) is not FunctionType:
        return function
    code = function.__code__
    used: dict[str, set[str]] = {}
    for instruction in _instructions(code):
        used.setdefault(instruction.opname, set()).add(str(instruction.argval))
    written = set().union(*(used.get(name, set()) for name in _WRITES))
    read = used.get("LOAD_GLOBAL", set()) - written
    if not code.co_freevars and not read:
        return function
    cells = [
        cell if name in written else _kept(cell)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)
    ]
    # A function that assigns a global needs the dict of its module.
    writes_module = bool(used.get("STORE_GLOBAL") or used.get("DELETE_GLOBAL"))
    names = function.__globals__ if writes_module else _Globals(function.__globals__, read)
    copy: Any = FunctionType(code, names, function.__name__, function.__defaults__, tuple(cells))
    copy.__kwdefaults__, copy.__qualname__, copy.__module__ = (
        function.__kwdefaults__,
        function.__qualname__,
        function.__module__,
    )
    copy.__dict__.update(function.__dict__)
    return copy  # type: ignore[no-any-return]


def values_of(bound: Callable[..., Any]) -> list[Any]:
    """The values that a function made by `bound_function` keeps, in a fixed order."""
    names = getattr(bound, "__globals__", None)
    cells = [_content(cell) for cell in getattr(bound, "__closure__", None) or ()]
    return cells + ([names[name] for name in sorted(names)] if isinstance(names, _Globals) else [])


def bound_lambda(found: F) -> F:
    """`bound_function` of a lambda. Functions with a name stay themselves: configs and files find them by it."""
    is_lambda = getattr(found, "__name__", None) == "<lambda>" and registry.custom_name_of(found) is None
    return bound_function(found) if is_lambda else found


def _kept(cell: CellType) -> CellType:
    value = _content(cell)
    return cell if value is cell else CellType(value)


def _content(cell: CellType) -> Any:
    """What a cell holds; the cell itself while it holds nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a function and of those inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
