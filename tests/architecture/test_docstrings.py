"""What users call has a docstring that names each argument and each error that it raises.

A docstring may leave arguments to another function or class, which it names in backticks: "see `conv_backward`".
"""

import ast
import dataclasses
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lamella.layers import Dense

PACKAGE = Path(__file__).parents[2] / "python" / "lamella"
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text())
# The rooms that users import from. Those of the second list need packages that may be missing.
ROOMS = [
    "activations", "applications", "callbacks", "config", "constraints", "embedding", "functional", "initializers", "keras_alias",
    "layers", "losses", "metrics", "models", "optimizers", "preprocessing.image", "preprocessing.sequence", "preprocessing.text",
    "regularizers", "saving", "tf_keras.callbacks", "tf_keras.initializers", "tf_keras.layers", "tf_keras.optimizers",
    "tf_keras.regularizers", "utils", "wrappers.scikit_learn",
]  # fmt: skip
WITH_OTHERS = {"sklearn": "sklearn", "torch": "torch"}
# Rooms whose classes compute what a paper or a release defines.
SOURCED = ["callbacks", "constraints", "initializers", "layers", "losses", "metrics", "optimizers", "regularizers"]
# Arguments that need no line.
IMPLIED = {"self", "cls", "args", "kwargs", "unknown"}
# In these rooms formulas name the arguments: "x ** a, elementwise".
BY_FORMULA = ["backend", "ops"]


def sources(thing: Callable[..., object], seen: tuple[object, ...] = ()) -> Iterator[str]:
    """The docstring of a function; those of a class and its base classes; then those of what they name in backticks."""
    for documented in inspect.getmro(thing) if isinstance(thing, type) else (thing,):
        text = inspect.cleandoc(documented.__doc__ or "")
        yield text
        for name in re.findall(r"`([\w.]+)`", text):
            other = found(name, documented.__module__)
            if callable(other) and not any(other is each for each in seen):
                yield from sources(other, (*seen, thing, other))


def found(name: str, module: str) -> object:
    """What a name in a docstring of the module means: a name of it or of its room, a method, or a whole path."""
    for start in filter(None, (module, module.rpartition(".")[0])):
        thing: object = importlib.import_module(start if not name.startswith("lamella.") else "lamella")
        for part in name.removeprefix("lamella.").split("."):
            thing = getattr(thing, part, None)
        if thing is not None:
            return thing
    return None


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


def public_of(room: str) -> dict[str, Callable[..., object]]:
    """The functions and classes of lamella that the room shows."""
    module = importlib.import_module(f"lamella.{room}")
    named = getattr(module, "__all__", None)
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "").startswith(module.__name__)]
    things = {name: getattr(module, name) for name in (named or own) if not name.startswith("_")}
    return {
        name: thing
        for name, thing in things.items()
        if (inspect.isroutine(thing) or inspect.isclass(thing)) and thing.__module__.startswith("lamella.")
    }


def all_public_of(room: str) -> dict[str, Callable[..., object]]:
    if room in WITH_OTHERS:
        pytest.importorskip(WITH_OTHERS[room])
    things = public_of(room)
    assert things
    return things


def methods_of(thing: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function) and function.__module__.startswith("lamella."):
            yield name, member


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


@pytest.mark.parametrize("room", SOURCED)
def test_docstrings_of_classes_or_their_modules_name_the_source(room):
    missing = []
    for name, thing in filter(lambda named: inspect.isclass(named[1]), all_public_of(room).items()):
        texts = [thing.__doc__ or "", importlib.import_module(thing.__module__).__doc__ or ""]
        if not re.search(r"Source: |Keras \d|\(?arXiv|torch\.optim|tf\.keras", "\n".join(texts)):
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if "sklearn" in path.read_text():
        pytest.importorskip("sklearn", "1.6")
    done = doctest.testmod(importlib.import_module(name), extraglobs={"np": np, "Dense": Dense})
    assert done.attempted >= 1 and done.failed == 0


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
