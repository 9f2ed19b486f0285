"""lamella: the Keras 2 API with NumPy arrays and its own C++ kernels.

Submodules are loaded at their first use: `import lamella` itself imports only NumPy.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import numpy as _numpy  # noqa: F401, ICN001 - the only import of a package, so that the first use of a submodule is fast

if TYPE_CHECKING:
    from lamella import activations as activations
    from lamella import applications as applications
    from lamella import backend as backend
    from lamella import callbacks as callbacks
    from lamella import config as config
    from lamella import constraints as constraints
    from lamella import datasets as datasets
    from lamella import functional as functional
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
    from lamella import tf_keras as tf_keras
    from lamella import utils as utils
    from lamella import wrappers as wrappers
    from lamella.embedding import get_include as get_include
    from lamella.keras_alias import install_as_keras as install_as_keras
    from lamella.layers import Input as Input
    from lamella.models import Model as Model
    from lamella.models import Sequential as Sequential

__version__ = "0.1.0"


class _KerasModules:
    """The last finder of imports. It finds modules of Keras without a file in lamella, such as lamella.layers.convolutional."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> object:
        if not fullname.startswith("lamella."):
            return None
        return importlib.import_module("lamella.core.keras_names").find_spec(fullname)


if all(getattr(finder, "__qualname__", None) != _KerasModules.__qualname__ for finder in sys.meta_path):
    sys.meta_path.append(_KerasModules)  # type: ignore[arg-type]


def _attached() -> object:
    """This package, after `core.lazy.attach` has replaced the following two functions."""
    importlib.import_module("lamella.core.lazy").attach(__name__)
    return sys.modules[__name__]


def __getattr__(name: str) -> object:
    return getattr(_attached(), name)


def __dir__() -> list[str]:
    return dir(_attached())
