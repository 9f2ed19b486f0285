"""What users call has a docstring that names each argument and each error that it raises."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.docstrings import BY_FORMULA, ROOMS, WITH_OTHERS, all_public_of, found, methods_of, sources

# Arguments that need no line.
IMPLIED = {"self", "cls", "args", "kwargs", "unknown"}
# Of an Args section; the attributes of a dataclass are its arguments. torch's own docstrings have a space before the colon.
A_LINE = r"^    \**{}(?: \([^)\n]+\))? ?:"


def undocumented(thing: Callable[..., object], line: str = A_LINE) -> list[str]:
    """Arguments of a function or constructor that have no line `name: description`."""
    names = [name for name in inspect.signature(thing).parameters if name not in IMPLIED]
    head = "Args|Attributes" if dataclasses.is_dataclass(thing) else "Args"
    for text in sources(thing) if names else ():
        section = text if line != A_LINE else "".join(re.findall(rf"^(?:{head}):\n((?:    .*\n?)+)", text, flags=re.M))
        names = [name for name in names if not re.search(line.format(re.escape(name)), section, flags=re.M)]
    return names


def errors(thing: Callable[..., object]) -> set[str]:
    """The names of the errors in the `raise` statements of a function or constructor, also in functions inside it."""
    function = vars(thing).get("__init__") if isinstance(thing, type) else thing
    if function is None or not hasattr(inspect.unwrap(function), "__code__"):
        return set()
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError):  # made by a dataclass, or a lambda
        return set()
    raised = (node.exc for node in ast.walk(body[0]) if isinstance(node, ast.Raise))
    return {call.func.id for call in raised if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}


@pytest.mark.parametrize("room", [*ROOMS, *WITH_OTHERS])
def test_docstrings_name_each_argument(room):
    missing = {name: arguments for name, thing in all_public_of(room).items() if (arguments := undocumented(thing))}
    assert not missing


@pytest.mark.parametrize("room", BY_FORMULA)
def test_docstrings_or_formulas_name_each_argument(room):
    things = all_public_of(room).items()
    missing = {name: arguments for name, thing in things if (arguments := undocumented(thing, r"\b{}\b"))}
    assert not missing


@pytest.mark.parametrize("room", [*ROOMS, *WITH_OTHERS, *BY_FORMULA])
def test_each_function_class_and_method_has_a_docstring(room):
    missing = set()
    for name, thing in all_public_of(room).items():
        if not (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__):
            missing.add(name)
        for base in thing.__mro__ if inspect.isclass(thing) else ():
            missing |= {f"{base.__name__}.{method}" for method, of in methods_of(base) if not documented(thing, method, of)}
    assert not missing


def documented(thing: type, name: str, member: object) -> bool:
    """Whether a method, or one of that name of a base class or of a class in backticks, has a docstring."""
    named = [found(word, thing.__module__) for word in re.findall(r"`(\w+)`", thing.__doc__ or "")]
    classes = [*thing.__mro__, *(other for other in named if inspect.isclass(other))]
    return bool(member.__doc__) or any(getattr(vars(base).get(name), "__doc__", None) for base in classes)


@pytest.mark.parametrize("room", [*ROOMS, *WITH_OTHERS, *BY_FORMULA])
def test_docstrings_name_each_error(room):
    missing = {}
    for name, thing in all_public_of(room).items():
        text = "\n".join(sources(thing))
        if unnamed := {error for error in errors(thing) if error not in text}:
            missing[name] = unnamed
    assert not missing


@pytest.mark.parametrize("room", [*ROOMS, *WITH_OTHERS])
def test_docstrings_of_methods_name_each_argument(room):
    """A method's own docstring, those of its base classes' methods, or the class's. Hooks of callbacks are described by Callback."""
    missing = {}
    for thing in filter(inspect.isclass, all_public_of(room).values()):
        for base in thing.__mro__:
            for name, member in methods_of(base):
                if not isinstance(member, property) and not name.startswith("on_"):
                    parameters = inspect.signature(getattr(member, "__func__", member)).parameters
                    names = [n for n, of in parameters.items() if of.kind is not of.VAR_KEYWORD]
                    text = "\n".join(sources_of_method(thing, name))
                    if unnamed := [n for n in names if n not in IMPLIED and not re.search(rf"\b{n}\b", text)]:
                        missing[f"{base.__name__}.{name}"] = unnamed
    assert not missing


def sources_of_method(thing: type, name: str) -> Iterator[str]:
    """The docstrings that may describe a method."""
    for base in thing.__mro__:
        for member in (base, vars(base).get(name)):
            text = inspect.cleandoc(getattr(member, "__doc__", None) or "")
            yield text
            for word in re.findall(r"`([\w.]+)`", text) if member is not base else ():
                other = found(word, base.__module__) or getattr(thing, word, None)
                if callable(other):
                    yield from sources(other)


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


def test_arguments_may_be_those_of_a_function_in_backticks():
    def function(shape, fourth):
        """See `lamella.layers.Layer.add_weight` and `nothing`.

        Args:
            fourth: The fourth.
        """

    assert undocumented(function) == []


def test_an_error_without_a_name_is_found():
    def function(x):
        if x:
            raise ValueError("x")
        raise TypeError("y")

    assert errors(function) == {"ValueError", "TypeError"}
