"""lamella: the Keras 2 API on NumPy arrays and C++ kernels of its own.

Submodules load when they are first used: `import lamella` itself imports nothing but NumPy.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import numpy as _numpy  # noqa: F401, ICN001 - the one eager import; what comes later then costs its own time only

if TYPE_CHECKING:
    from lamella import activations as activations
    from lamella import applications as applications
    from lamella import backend as backend
    from lamella import callbacks as callbacks
    from lamella import config as config
    from lamella import constraints as constraints
    from lamella import datasets as datasets
    from lamella import initializers as initializers
    from lamella import layers as layers
    from lamella import losses as losses
    from lamella import metrics as metrics
    from lamella import models as models
    from lamella import ops as ops
    from lamella import optimizers as optimizers
    from lamella import preprocessing as preprocessing
    from lamella import regularizers as regularizers
    from lamella import saving as saving
    from lamella import utils as utils
    from lamella import wrappers as wrappers
    from lamella.keras_alias import install_as_keras as install_as_keras
    from lamella.layers import Input as Input
    from lamella.models import Model as Model
    from lamella.models import Sequential as Sequential

__version__ = "0.1.0"

_ROOMS = frozenset(
    "activations applications backend callbacks config constraints datasets initializers layers losses metrics models ops "
    "optimizers preprocessing regularizers saving tf_keras utils wrappers".split()
)
_NAMES = {
    "Input": "layers",
    "Model": "models",
    "Sequential": "models",
    "install_as_keras": "keras_alias",
}


class _KerasModules:
    """Asked last, for modules that Keras has and lamella has no file for, as lamella.layers.convolutional."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> object:
        if not fullname.startswith("lamella."):
            return None
        return importlib.import_module("lamella.core.keras_names").find_spec(fullname)


if all(getattr(finder, "__qualname__", None) != _KerasModules.__qualname__ for finder in sys.meta_path):
    sys.meta_path.append(_KerasModules)  # type: ignore[arg-type]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"lamella.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"lamella.{_NAMES[name]}"), name)
    return importlib.import_module("lamella.core.keras_names").find("", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_NAMES})
