"""`tensorflow.keras` without TensorFlow: lamella with the names, arguments and defaults of TensorFlow 2's Keras.

`lamella.install_as_keras(dialect="tf")` makes `tensorflow.keras` this package, and sets the rules of tf.keras for the process
(`lamella.config.set_dialect`). An import of this package alone gives only the names; set_dialect("tf") sets the rules.

A module of this package defines the names that differ from lamella's room of the same name, and has all other names of that room.
Source: tf.keras of TensorFlow 2.0 to 2.15, with the optimizers of 2.10.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

__version__ = "2.10.0"  # the release of TensorFlow that this package follows

# The rooms that have a module in this package.
_OWN = frozenset(("callbacks", "initializers", "layers", "optimizers", "regularizers"))
_NAMES = {"Input": "layers"}


def rest_of(room: str, own: dict[str, object]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a module that has its own names and the other names of a room of lamella.

    Args:
        room: Name of the room, for example "layers".
        own: The globals of the module.
    """

    def find(name: str) -> object:
        if name == "__all__":
            return [name for name in listed() if not name.startswith("_")]
        if name.startswith("__"):  # with the room's __path__, its files would load a second time as parts of this module
            raise AttributeError(f"module 'lamella.tf_keras.{room}' has no attribute {name!r}")
        return getattr(importlib.import_module(f"lamella.{room}"), name)

    def listed() -> list[str]:
        theirs = importlib.import_module(f"lamella.{room}")
        named = getattr(theirs, "__all__", None) or _of(f"lamella.{room}", vars(theirs))
        return sorted({*named, *_of("lamella", own)} - {"rest_of"})

    return find, listed


def _of(module: str, names: dict[str, object]) -> list[str]:
    """The names of classes and functions that a module, or one inside it, defines, without those that it imported."""
    return [name for name, value in names.items() if f"{getattr(value, '__module__', '')}.".startswith(f"{module}.")]


def __getattr__(name: str) -> object:
    if name in _OWN:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    return getattr(importlib.import_module("lamella"), name)


def __dir__() -> list[str]:
    return [name for name in dir(importlib.import_module("lamella")) if not name.startswith("_")]
