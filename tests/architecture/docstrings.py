"""The functions and classes that users call, and the docstrings that describe them.

A docstring may leave arguments to another function or class, which it names in backticks: "see `conv_backward`".
"""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator

import pytest

# The rooms that users import from. Those of the second list need packages that may be missing.
ROOMS = [
    "activations", "applications", "callbacks", "config", "constraints", "embedding", "functional", "initializers", "keras_alias",
    "layers", "losses", "metrics", "models", "optimizers", "preprocessing.image", "preprocessing.sequence", "preprocessing.text",
    "regularizers", "saving", "tf_keras.callbacks", "tf_keras.initializers", "tf_keras.layers", "tf_keras.optimizers",
    "tf_keras.regularizers", "utils", "wrappers.scikit_learn",
]  # fmt: skip
WITH_OTHERS = {"sklearn": "sklearn", "torch": "torch"}
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
