"""`import keras` without Keras, and `import tensorflow.keras` without TensorFlow: the names resolve to lamella for the rest of
the process."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from lamella.core import config, keras_imports
from lamella.core.keras_json import apply_keras_json
from lamella.core.release import KERAS_VERSION

# Packages that resolve to lamella, and the rooms that they show.
_ROOTS = {"keras": "", "keras_applications": "applications", "keras_preprocessing": "preprocessing"}
# In the dialect of tf.keras.
_TF_ROOTS = {**_ROOTS, "keras": "tf_keras", "tensorflow": "tensorflow", "tensorflow.keras": "tf_keras"}

# What scripts ask of TensorFlow itself, and what to do instead.
_INSTEAD = {
    "GradientTape": "write the loss as a function for compile, or with lamella.backend for K.gradients",
    "config": "lamella.config sets the number of threads",
    "data": "fit takes arrays, generators and Sequences",
    "function": "there is nothing to compile; leave the decorator out",
    "random": "lamella.utils.set_random_seed(seed) seeds layers and training, numpy.random the data",
}


def install_as_keras(dialect: str = "keras2") -> ModuleType:
    """Make `import keras`, every keras.x.y that exists here, keras_applications and keras_preprocessing resolve to lamella.

    Keras's settings file, keras.json in $KERAS_HOME or ~/.keras, is read at this moment: its floatx, epsilon and
    image_data_format hold from then on. `import lamella` alone reads no such file, and none is ever written.

    Args:
        dialect: "keras2": the names and rules of Keras 2.2.5. "tf": those of tf.keras in TensorFlow 2.0 to 2.15, for scripts
            that use nothing else of TensorFlow; `tensorflow.keras` resolves to lamella.tf_keras then, `keras`, too, and
            `tensorflow` has nothing but `keras`. See lamella.config.set_dialect for what differs.

    Returns:
        The module `keras`.

    Raises:
        ImportError: At import, naming what does not exist here.
        RuntimeError: If another keras, or TensorFlow, was imported before, or lamella with the other dialect.
        ValueError: For another dialect.
    """
    if dialect not in ("keras2", "tf"):
        raise ValueError(f"install_as_keras: expected dialect 'keras2' or 'tf', got {dialect!r}")
    roots = _TF_ROOTS if dialect == "tf" else _ROOTS
    if _finder not in sys.meta_path:
        for name in roots:
            if name in ("keras", "tensorflow") and name in sys.modules:
                raise RuntimeError(f"install_as_keras: another {name} is already imported; call this before `import {name}`")
        sys.meta_path.insert(0, _finder)
        if not config.is_keras():  # a worker has its parent's settings already
            apply_keras_json()
        config.set_dialect(dialect)
        config.set_is_keras()
        _finder.roots = roots
    elif _finder.roots is not roots:
        raise RuntimeError("install_as_keras: `keras` already resolves to the other dialect; a process has one")
    return importlib.import_module("keras")


class _Finder(MetaPathFinder):
    """Answers for keras, its sister packages and everything below, so no other keras on the path is ever mixed in."""

    roots: Mapping[str, str] = _ROOTS

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        room = self.room(fullname)
        if room is None:
            return None
        if fullname.startswith("tensorflow.") and not room.startswith("tf_keras"):
            raise ModuleNotFoundError(_no_tensorflow(fullname.removeprefix("tensorflow.")), name=fullname)
        try:
            exists = room in ("", "tensorflow") or _exists(f"lamella.{room}") or _exists(f"lamella.{_shown(room)}")
        except ImportError as error:
            raise ImportError(f"`{fullname}`: {error}", name=fullname) from None
        if exists:
            return ModuleSpec(fullname, _loader, is_package=True)
        raise ModuleNotFoundError(f"lamella has no {_shown(room)!r}: `{fullname}` does not exist here", name=fullname)

    def room(self, fullname: str) -> str | None:
        """The room that a module's name stands for, "" for the package itself; None for a module of somebody else."""
        parts = fullname.split(".")
        for length in (2, 1):
            root = ".".join(parts[:length])
            if len(parts) >= length and root in self.roots:
                return ".".join([self.roots[root], *parts[length:]]).strip(".")
        return None


class _Loader(Loader):
    """Loads the module of the same name under lamella."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        room = _finder.room(spec.name)
        if not room:
            return _Keras(spec.name)
        if room == "tensorflow":
            return _TensorFlow(spec.name)
        module = importlib.import_module(f"lamella.{room if _exists(f'lamella.{room}') else _shown(room)}")
        spec.loader_state = module.__spec__
        if _finder.roots is _ROOTS:
            keras_imports.show_to_stars(module, room)
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


class _TensorFlow(ModuleType):
    """The package `tensorflow`: nothing but `keras`."""

    def __getattr__(self, name: str) -> object:
        if name == "keras":
            return importlib.import_module("tensorflow.keras")
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise AttributeError(_no_tensorflow(name))


def _no_tensorflow(name: str) -> str:
    first = name.partition(".")[0]
    instead = f": {_INSTEAD[first]}" if first in _INSTEAD else ""
    return f"tensorflow.{name} is not here: lamella stands in for tensorflow.keras and for nothing else of TensorFlow{instead}"


def _shown(room: str) -> str:
    """The room of lamella that a module of tf.keras without a file of its own shows."""
    return room.removeprefix("tf_keras.")


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent does not exist
        return False


_finder = _Finder()
_loader = _Loader()
