"""`import keras` without Keras: the name resolves to lamella for the rest of the process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from lamella.core import config
from lamella.core.release import KERAS_VERSION

# Packages that resolve to lamella, and the rooms that they show.
_ROOTS = {"keras": "", "keras_applications": "applications"}

# Keras's modules that have another place here, and the rooms whose names they show.
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "engine": ("layers", "models", "models.network", "layers.symbolic", "utils.layer_utils"),
    "engine.topology": ("layers", "models", "models.network", "layers.symbolic", "utils.layer_utils"),
    "engine.training": ("models",),
    "engine.network": ("models.network",),
    "engine.sequential": ("models.sequential",),
    "engine.base_layer": ("layers", "layers.symbolic"),
    "engine.input_layer": ("layers.input",),
    "engine.saving": ("models", "saving.overwrite"),
    "layers.convolutional": ("layers.conv", "layers.pooling"),
    "layers.normalization": ("layers.norm",),
    "objectives": ("losses",),
}


def install_as_keras() -> ModuleType:
    """Make `import keras`, every keras.x.y that exists here, and keras_applications resolve to lamella.

    Returns:  the module `keras`.
    Raises:  ImportError, at import, naming what does not exist here; RuntimeError if another keras was imported before.
    """
    present = sys.modules.get("keras")
    if present is not None and getattr(present, "__loader__", None) is not _loader:
        raise RuntimeError("install_as_keras: another keras is already imported; call this before `import keras`")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        config.set_is_keras()
    return importlib.import_module("keras")


class _Finder(MetaPathFinder):
    """Answers for keras, its sister packages and everything below, so no other keras on the path is ever mixed in."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        room = _room(fullname)
        if room is None:
            return None
        if not room or room in _ELSEWHERE or _exists(f"lamella.{room}"):
            return ModuleSpec(fullname, _loader, is_package=True)
        raise ModuleNotFoundError(f"lamella has no {room!r}: `{fullname}` does not exist here", name=fullname)


class _Loader(Loader):
    """Loads the module of the same name under lamella, or one that shows the names of other rooms."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        room = _room(spec.name)
        if not room or room in _ELSEWHERE:
            return _Facade(spec.name, _ELSEWHERE.get(room or "", ("",)))
        module = importlib.import_module(f"lamella.{room}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put keras's spec on lamella's module; it keeps its own.
        state = module.__spec__.loader_state if module.__spec__ else None
        if state is not None:
            module.__spec__ = state


class _Facade(ModuleType):
    """A module of Keras whose names live in other rooms."""

    def __init__(self, name: str, rooms: tuple[str, ...]) -> None:
        super().__init__(name, f"{name}, as lamella has it.")
        self._rooms = rooms
        if name == "keras":
            self.__version__ = KERAS_VERSION

    def __getattr__(self, name: str) -> object:
        if not name.startswith("__"):
            for room in self._rooms:
                module = importlib.import_module(f"lamella.{room}".rstrip("."))
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"lamella has no {self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        rooms = [importlib.import_module(f"lamella.{room}".rstrip(".")) for room in self._rooms]
        return sorted({name for room in rooms for name in dir(room) if not name.startswith("_")})


def _room(fullname: str) -> str | None:
    """The room that a module's name stands for, "" for the package itself; None for a module of somebody else."""
    root, _, rest = fullname.partition(".")
    return f"{_ROOTS[root]}.{rest}".strip(".") if root in _ROOTS else None


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent does not exist
        return False


_finder = _Finder()
_loader = _Loader()
