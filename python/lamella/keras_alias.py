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
_ROOTS = {"keras": "", "keras_applications": "applications", "keras_preprocessing": "preprocessing"}


def install_as_keras() -> ModuleType:
    """Make `import keras`, every keras.x.y that exists here, keras_applications and keras_preprocessing resolve to lamella.

    Returns:
        The module `keras`.

    Raises:
        ImportError: At import, naming what does not exist here.
        RuntimeError: If another keras was imported before.
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
        try:
            exists = not room or _exists(f"lamella.{room}")
        except ImportError as error:
            raise ImportError(f"`{fullname}`: {error}", name=fullname) from None
        if exists:
            return ModuleSpec(fullname, _loader, is_package=True)
        raise ModuleNotFoundError(f"lamella has no {room!r}: `{fullname}` does not exist here", name=fullname)


class _Loader(Loader):
    """Loads the module of the same name under lamella."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        room = _room(spec.name)
        if not room:
            return _Keras(spec.name)
        module = importlib.import_module(f"lamella.{room}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put keras's spec on lamella's module; it keeps its own.
        state = module.__spec__.loader_state if module.__spec__ else None
        if state is not None:
            module.__spec__ = state


class _Keras(ModuleType):
    """The package `keras`: what lamella shows, with Keras's version."""

    __version__ = KERAS_VERSION

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("lamella"), name)

    def __dir__(self) -> list[str]:
        return [name for name in dir(importlib.import_module("lamella")) if not name.startswith("_")]


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
