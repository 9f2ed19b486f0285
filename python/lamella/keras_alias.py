"""`import keras` without Keras, and `import tensorflow.keras` without TensorFlow: these names import lamella until the process
ends.
"""

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

# The packages that resolve to lamella, and the rooms to which they resolve.
_ROOTS = {"keras": "", "keras_applications": "applications", "keras_preprocessing": "preprocessing"}
# The same in the dialect of tf.keras.
_TF_ROOTS = {**_ROOTS, "keras": "tf_keras", "tensorflow": "tensorflow", "tensorflow.keras": "tf_keras"}

# Names of TensorFlow that scripts use, and what to do instead.
_INSTEAD = {
    "GradientTape": "write the loss as a function for compile, or use K.gradients of lamella.backend",
    "config": "lamella.config sets the number of threads",
    "data": "fit takes arrays, generators and Sequences",
    "function": "remove the decorator; there is nothing to compile",
    "random": "lamella.utils.set_random_seed(seed) seeds layers and training; for data use numpy.random",
}


def install_as_keras(dialect: str = "keras2") -> ModuleType:
    """Make `import keras`, the modules below it, keras_applications and keras_preprocessing import lamella.

    This call reads Keras's settings file, keras.json in $KERAS_HOME or ~/.keras, and sets its floatx, epsilon and
    image_data_format. `import lamella` alone does not read this file, and it is never written. Later imports of names that
    lamella does not have raise ImportError, which names them.

    Args:
        dialect: "keras2": the names and rules of Keras 2.2.5. "tf": those of tf.keras in TensorFlow 2.0 to 2.15, for scripts
            that use only tf.keras of TensorFlow. Then `tensorflow.keras` and `keras` resolve to lamella.tf_keras, and `tensorflow`
            contains only `keras`. lamella.config.set_dialect lists the differences.

    Returns:
        The module `keras`.

    Raises:
        RuntimeError: Another keras, or TensorFlow, was imported before, or this was called before with the other dialect.
        ValueError: The dialect is unknown.
    """
    if dialect not in ("keras2", "tf"):
        raise ValueError(f"install_as_keras: expected dialect 'keras2' or 'tf', got {dialect!r}")
    roots = _TF_ROOTS if dialect == "tf" else _ROOTS
    if _finder not in sys.meta_path:
        for name in roots:
            if name in ("keras", "tensorflow") and name in sys.modules:
                raise RuntimeError(f"install_as_keras: another {name} is already imported; call this before `import {name}`")
        sys.meta_path.insert(0, _finder)
        if not config.is_keras():  # a worker process already has the settings of its parent
            apply_keras_json()
        config.set_dialect(dialect)
        config.set_is_keras()
        _finder.roots = roots
    elif _finder.roots is not roots:
        raise RuntimeError("install_as_keras: `keras` already resolves to the other dialect; a process can use only one")
    return importlib.import_module("keras")


class _Finder(MetaPathFinder):
    """Finds keras, its related packages and all modules below them, so that modules of another keras are never imported."""

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
        """The room to which a module's name resolves, "" for the package itself; None for a module of another package."""
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
        # The import system has replaced the spec of lamella's module by that of keras's module. This restores it.
        state = module.__spec__.loader_state if module.__spec__ else None
        if state is not None:
            module.__spec__ = state


class _Keras(ModuleType):
    """The package `keras`: the names of lamella, with the version of Keras."""

    __version__ = KERAS_VERSION

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("lamella"), name)

    def __dir__(self) -> list[str]:
        return [name for name in dir(importlib.import_module("lamella")) if not name.startswith("_")]


class _TensorFlow(ModuleType):
    """The package `tensorflow`, which contains only `keras`."""

    def __getattr__(self, name: str) -> object:
        if name == "keras":
            return importlib.import_module("tensorflow.keras")
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise AttributeError(_no_tensorflow(name))


def _no_tensorflow(name: str) -> str:
    """The error message for a name of TensorFlow outside of tf.keras."""
    first = name.partition(".")[0]
    instead = f": {_INSTEAD[first]}" if first in _INSTEAD else ""
    return f"tensorflow.{name} is not available: lamella replaces only tensorflow.keras, not the rest of TensorFlow{instead}"


def _shown(room: str) -> str:
    """The room of lamella for a module of tf.keras without its own file."""
    return room.removeprefix("tf_keras.")


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent does not exist
        return False


_finder = _Finder()
_loader = _Loader()
