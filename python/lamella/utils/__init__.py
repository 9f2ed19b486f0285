"""Utilities of the Keras API, in modules of the names that Keras 2.2.5 gave them. Each loads with its first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lamella.core import keras_names
from lamella.core.random import set_random_seed as set_random_seed

if TYPE_CHECKING:
    from lamella.utils.data_utils import GeneratorEnqueuer as GeneratorEnqueuer
    from lamella.utils.data_utils import OrderedEnqueuer as OrderedEnqueuer
    from lamella.utils.data_utils import Sequence as Sequence
    from lamella.utils.data_utils import get_file as get_file
    from lamella.utils.generic_utils import CustomObjectScope as CustomObjectScope
    from lamella.utils.generic_utils import Progbar as Progbar
    from lamella.utils.generic_utils import custom_object_scope as custom_object_scope
    from lamella.utils.generic_utils import deserialize_keras_object as deserialize_keras_object
    from lamella.utils.generic_utils import get_custom_objects as get_custom_objects
    from lamella.utils.generic_utils import serialize_keras_object as serialize_keras_object
    from lamella.utils.image_dataset_utils import image_dataset_from_directory as image_dataset_from_directory
    from lamella.utils.io_utils import HDF5Matrix as HDF5Matrix
    from lamella.utils.layer_utils import get_source_inputs as get_source_inputs
    from lamella.utils.layer_utils import print_summary as print_summary
    from lamella.utils.multi_gpu_utils import multi_gpu_model as multi_gpu_model
    from lamella.utils.np_utils import normalize as normalize
    from lamella.utils.np_utils import to_categorical as to_categorical
    from lamella.utils.vis_utils import plot_model as plot_model

_NAMES = {
    "data_utils": ("GeneratorEnqueuer", "OrderedEnqueuer", "Sequence", "get_file"),
    "generic_utils": (
        "CustomObjectScope", "Progbar", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
        "serialize_keras_object",
    ),
    "image_dataset_utils": ("image_dataset_from_directory",),
    "io_utils": ("HDF5Matrix",),
    "layer_utils": ("get_source_inputs", "print_summary"),
    "multi_gpu_utils": ("multi_gpu_model",),
    "np_utils": ("normalize", "to_categorical"),
    "vis_utils": ("plot_model",),
}  # fmt: skip
_MODULES = {*_NAMES, "conv_utils", "test_utils"}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"lamella.utils.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"lamella.utils.{_HOMES[name]}"), name)
    return keras_names.find("utils", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOMES})
