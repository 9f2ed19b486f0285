"""Finds the public names of Keras 2.2.5 in lamella, module by module, and explains which do not exist.

For a module of Keras without a file in lamella, a module is made of names in other rooms, under `lamella.` and under the alias
`keras`. `keras_names.txt` lists the names: one line for each module, with "." for the package itself.
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

# The rooms in which the names of a module of Keras are searched. Each line is for all modules whose names begin with it; the
# first such line is used. Modules without a line define their names themselves.
_ROOMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("engine.saving", ("models", "saving.preprocess", "utils.hdf5_groups", "utils.io_utils", "utils.generic_utils")),
    (
        "engine.training_",
        (
            "utils.training_utils",
            "utils.data_utils",
            "utils.generic_utils",
            "utils.training_checks",
            "utils.training_arguments",
        ),
    ),
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
    """The names of each module; "" is the package itself."""
    with open(f"{__file__.removesuffix('.py')}.txt") as file:
        lines = [line.partition(": ") for line in file]
    return {head.strip("."): frozenset(names.split()) for head, _, names in lines}


def find(module: str, name: str) -> object:
    """The object of lamella for keras.`module`.`name`.

    Raises:
        AttributeError: Keras 2.2.5 has the name and lamella does not, see `core/keras_refusals.py`; or neither has it.
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

        if name in keras_imports.shown(module) or name in keras_imports.passed_on(module):
            return keras_imports.find(name)
    raise AttributeError(f"module '{f'lamella.{module}'.rstrip('.')}' has no attribute {name!r}")


def complete(module: str) -> None:
    """Make a module of lamella with the name of a module of Keras find Keras's other names, or explain why one is missing."""
    found = sys.modules[module]
    setattr(found, "__getattr__", functools.partial(find, module.removeprefix("lamella.")))
    if not hasattr(found, "__path__"):
        # Makes it a package: for a missing name Python then calls `find_spec`, whose error explains why it is missing.
        found.__path__ = []


def find_spec(fullname: str) -> ModuleSpec | None:
    """The spec of a module of Keras without a file in lamella; None if Keras does not have it.

    Raises:
        ImportError: Keras 2.2.5 has this module or name, and lamella does not.
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
    """A module of Keras whose names are defined in other rooms."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"The names of keras.{name.removeprefix('lamella.')} that lamella has.")

    def __getattr__(self, name: str) -> object:
        if name == "__all__":
            from lamella.core import keras_imports

            return [*dir(self), *keras_imports.shown(self.__name__.removeprefix("lamella."))]
        return find(self.__name__.removeprefix("lamella."), name)

    def __dir__(self) -> list[str]:
        module = self.__name__.removeprefix("lamella.")
        return sorted(name for name in modules()[module] if _exists(module, name))


def _rooms(module: str) -> tuple[str, ...]:
    return next((rooms for head, rooms in _ROOMS if module.startswith(head)), ())


def _listed(module: str, name: str) -> bool:
    return name in modules().get(module, ())


def _exists(module: str, name: str) -> bool:
    try:
        return find(module, name) is not None
    except AttributeError:
        return False


def _available(module: str) -> bool:
    """Whether lamella has any name of a module of Keras, or of the modules below it; for modules without a file."""
    inside = {name: f"{module}.{name}" for name in modules().get(module, ())}
    return any(_available(path) if path in modules() else _exists(module, name) for name, path in inside.items())


def refusal(name: str) -> str:
    """The error message for a name that lamella does not have, see `core/keras_refusals.py`."""
    return f"keras.{name} of Keras {KERAS_VERSION} is not in lamella: {reason(name)}"
