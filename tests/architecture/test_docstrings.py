"""Each argument of a function or class for users has a line in the Args section of its docstring, or of a base class's."""

import importlib
import inspect
import re
from collections.abc import Callable

import pytest

# Rooms that follow the rule.
ROOMS = [
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "models",
    "regularizers",
]


def undocumented(thing: Callable[..., object]) -> list[str]:
    """Arguments of a function or constructor that have no line `name: description`."""
    named: set[str] = set()
    for documented in inspect.getmro(thing) if isinstance(thing, type) else (thing,):
        _, _, section = inspect.cleandoc(documented.__doc__ or "").partition("\nArgs:\n")
        named |= set(re.findall(r"^    \**(\w+)(?: \([^)\n]+\))?:", section.partition("\n\n")[0], flags=re.M))
    return [name for name in inspect.signature(thing).parameters if name not in named and name not in ("args", "kwargs")]


def public_of(room: str) -> dict[str, Callable[..., object]]:
    """The functions and classes that the room lists; without a list, the public ones that it defines."""
    module = importlib.import_module(f"lamella.{room}")
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__]
    found = {name: getattr(module, name) for name in getattr(module, "__all__", own) if not name.startswith("_")}
    return {name: thing for name, thing in found.items() if inspect.isroutine(thing) or inspect.isclass(thing)}


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_name_each_argument(room):
    things = public_of(room)
    assert things
    missing = {name: arguments for name, thing in things.items() if (arguments := undocumented(thing))}
    assert not missing


def test_an_argument_without_a_line_is_found():
    def function(first, second=1, *, third=2, **kwargs):
        """Does nothing.

        Args:
            first: The first; second: is not at the beginning of a line.
            third (int): The third.

        Returns:
            second: not an argument.
        """

    assert undocumented(function) == ["second"]
    assert undocumented(lambda x: x) == ["x"]
