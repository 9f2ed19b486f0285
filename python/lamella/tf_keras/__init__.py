"""`tensorflow.keras` without TensorFlow: lamella with the names, arguments and defaults of TensorFlow 2's Keras.

`lamella.install_as_keras(dialect="tf")` makes `tensorflow.keras` resolve to this package, and chooses the rules of tf.keras for
the process (`lamella.config.set_dialect`). Imported on its own the package shows the names; call set_dialect("tf") for the rules.

A module here holds what differs from the room of lamella of the same name, and shows the rest of that room. Source: tf.keras of
TensorFlow 2.0 to 2.15, with the optimizers of 2.10.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

__version__ = "2.10.0"  # the release that the code of the names here follows

# What has a module of its own here.
_OWN = frozenset(("callbacks", "initializers", "layers", "optimizers", "regularizers"))
_NAMES = {"Input": "layers"}


def rest_of(room: str, own: dict[str, object]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module that shows a room of lamella beside names of its own.

    Args:
        room: "layers", say.
        own: The module's globals.
    """

    def find(name: str) -> object:
        if name == "__all__":
            return [name for name in listed() if not name.startswith("_")]
        if name.startswith("__"):  # __path__, say: the room's files must not load a second time, as this module's
            raise AttributeError(f"module 'lamella.tf_keras.{room}' has no attribute {name!r}")
        return getattr(importlib.import_module(f"lamella.{room}"), name)

    def listed() -> list[str]:
        theirs = importlib.import_module(f"lamella.{room}")
        named = getattr(theirs, "__all__", None) or _of_lamella(vars(theirs))
        return sorted({*named, *_of_lamella(own)} - {"rest_of"})

    return find, listed


def _of_lamella(names: dict[str, object]) -> list[str]:
    """Classes and functions of lamella, without what a module has imported from elsewhere."""
    return [name for name, value in names.items() if str(getattr(value, "__module__", "")).startswith("lamella.")]


def __getattr__(name: str) -> object:
    if name in _OWN:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    return getattr(importlib.import_module("lamella"), name)


def __dir__() -> list[str]:
    return [name for name in dir(importlib.import_module("lamella")) if not name.startswith("_")]
