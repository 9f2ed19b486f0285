"""The public names of Keras 2.2.5, module by module: which object of lamella each is, and which are not there.

A module that Keras has and lamella has no file for is made of what other rooms list, under `lamella.` and under the alias
`keras` alike. `keras_names.txt` holds the names: a line for each module, "." being the package itself.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from lamella.core.keras_refusals import reason
from lamella.core.release import KERAS_VERSION

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

# Where the names of a module of Keras are looked for; a line ending in "." is for all modules below. The first that fits counts.
# Modules that are not here have their names themselves.
_ROOMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("engine.saving", ("models", "saving.preprocess", "utils.hdf5_groups", "utils.io_utils", "utils.generic_utils")),
    ("engine.training_", ("utils.training_utils", "utils.data_utils", "utils.generic_utils")),
    ("engine", ("layers", "models", "models.network", "graph.symbolic", "utils.layer_utils")),
    ("layers.convolutional_recurrent", ("layers", "layers.recurrent.conv_rnn2d")),
    ("layers.", ("layers",)),
    ("layers", ("utils.generic_utils",)),
    ("activations", ("layers",)),
    ("legacy.layers", ("layers",)),
    ("legacy.interfaces", ("utils.legacy_interfaces",)),
    ("backend.", ("backend",)),
    ("objectives", ("losses",)),
)


@functools.cache
def modules() -> Mapping[str, frozenset[str]]:
    """The names of each module; of the package itself under ""."""
    with open(f"{__file__.removesuffix('.py')}.txt") as file:
        lines = [line.partition(": ") for line in file]
    return {head.strip("."): frozenset(names.split()) for head, _, names in lines}


def find(module: str, name: str) -> object:
    """What keras.`module`.`name` is here.

    Raises:
        AttributeError: Keras 2.2.5 has it and lamella does not, see `core/keras_refusals.py`, or neither has it.
    """
    if not name.startswith("__"):
        inside = f"{module}.{name}".strip(".")
        if inside in modules():
            try:
                return importlib.import_module(f"lamella.{inside}")
            except ImportError as error:
                raise AttributeError(str(error)) from None
        for room in _rooms(module) if _listed(module, name) or module.startswith("engine") else ():
            try:
                return getattr(importlib.import_module(f"lamella.{room}"), name)
            except AttributeError:
                continue
        if _listed(module, name):
            raise AttributeError(refusal(inside))
        from lamella.core import keras_imports  # which imports this module

        if name in keras_imports.shown(module):
            return keras_imports.find(name)
    raise AttributeError(f"module '{f'lamella.{module}'.rstrip('.')}' has no attribute {name!r}")


def complete(module: str) -> None:
    """Let a module of lamella, named as one of Keras's, show the names that stand elsewhere, and say why one is not there."""
    there = sys.modules[module]
    setattr(there, "__getattr__", functools.partial(find, module.removeprefix("lamella.")))
    if not hasattr(there, "__path__"):
        # A package: of a name that is missing Python then asks `find_spec`, whose error says why.
        there.__path__ = []


def find_spec(fullname: str) -> ModuleSpec | None:
    """The spec of a module that Keras has and lamella has no file for; None if Keras has none, either.

    Raises:
        ImportError: Keras 2.2.5 has this module, or this name, and lamella does not.
    """
    module = fullname.removeprefix("lamella.")
    if _available(module):
        from importlib.machinery import ModuleSpec

        return ModuleSpec(fullname, _Loader(), is_package=True)  # type: ignore[arg-type]
    parent, _, name = module.rpartition(".")
    if module in modules() or _listed(parent, name):
        raise ImportError(refusal(module), name=fullname)
    return None


class _Loader:
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _KerasModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _KerasModule(ModuleType):
    """A module of Keras whose names live in other rooms."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"{name.removeprefix('lamella.')} of Keras, as lamella has it.")

    def __getattr__(self, name: str) -> object:
        if name == "__all__":
            from lamella.core import keras_imports

            return [*dir(self), *keras_imports.shown(self.__name__.removeprefix("lamella."))]
        return find(self.__name__.removeprefix("lamella."), name)

    def __dir__(self) -> list[str]:
        module = self.__name__.removeprefix("lamella.")
        return sorted(name for name in modules()[module] if _there(module, name))


def _rooms(module: str) -> tuple[str, ...]:
    return next((rooms for head, rooms in _ROOMS if module.startswith(head)), ())


def _listed(module: str, name: str) -> bool:
    return name in modules().get(module, ())


def _there(module: str, name: str) -> bool:
    try:
        return find(module, name) is not None
    except AttributeError:
        return False


def _available(module: str) -> bool:
    """Whether any name of a module of Keras, or of the modules below it, is there; for modules without a file."""
    inside = {name: f"{module}.{name}" for name in modules().get(module, ())}
    return any(_available(path) if path in modules() else _there(module, name) for name, path in inside.items())


def refusal(name: str) -> str:
    """What an error says of a name that lamella does without, see `core/keras_refusals.py`."""
    return f"keras.{name} of Keras {KERAS_VERSION} is not in lamella: {reason(name)}"
