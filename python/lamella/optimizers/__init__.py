"""Optimizers: in-place steps over lists of arrays. They know neither tensors nor models, so other programs can use them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core import configurable, registry
from lamella.core.config import dialect
from lamella.core.configurable import Config
from lamella.core.keras_names import complete as _complete
from lamella.core.keras_refusals import REASONS
from lamella.optimizers.adadelta import Adadelta as Adadelta
from lamella.optimizers.adafactor import Adafactor as Adafactor
from lamella.optimizers.adagrad import Adagrad as Adagrad
from lamella.optimizers.adam import Adam as Adam
from lamella.optimizers.adam import AdamW as AdamW
from lamella.optimizers.adamax import Adamax as Adamax
from lamella.optimizers.average import WeightAverage as WeightAverage
from lamella.optimizers.base import Optimizer
from lamella.optimizers.ftrl import Ftrl as Ftrl
from lamella.optimizers.in_graphs import clip_norm as clip_norm
from lamella.optimizers.lamb import Lamb as Lamb
from lamella.optimizers.lion import Lion as Lion
from lamella.optimizers.nadam import Nadam as Nadam
from lamella.optimizers.narrow_rules import NarrowAdamW as NarrowAdamW
from lamella.optimizers.narrow_rules import NarrowLion as NarrowLion
from lamella.optimizers.narrow_rules import NarrowSGD as NarrowSGD
from lamella.optimizers.rmsprop import RMSprop as RMSprop
from lamella.optimizers.sgd import SGD as SGD

# Also by the names in small letters that scripts for Keras 2 use.
for _name in registry.names("optimizers"):
    globals()[_name] = registry.get("optimizers", _name)

__all__ = [name for name in registry.names("optimizers") if not name.islower()]
__all__ += [
    "NarrowAdamW",
    "NarrowLion",
    "NarrowSGD",
    "Optimizer",
    "WeightAverage",
    "clip_norm",
    "deserialize",
    "get",
    "serialize",
]


def serialize(optimizer: Optimizer) -> Config:
    """The description of an optimizer.

    Args:
        optimizer: The optimizer.

    Returns:
        {"class_name": ..., "config": ...}.
    """
    described: Config = configurable.serialize(optimizer)
    return described


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer of a description by `serialize`.

    Args:
        config: {"class_name": ..., "config": ...}, the name in upper or lower case.
        custom_objects: Classes by name.

    Raises:
        ValueError: The name is unknown, the config has another form, or it is TFOptimizer, which needs TensorFlow.
    """
    if "class_name" not in config or "config" not in config:
        raise ValueError(f"Improper config format: {config}")
    name = config["class_name"]
    if isinstance(name, str) and registry.find("optimizers", name, custom_objects) is None:
        if name.lower() == "tfoptimizer":
            raise ValueError(f"TFOptimizer: {REASONS['optimizers.TFOptimizer']}")
        if registry.find("optimizers", name.lower()) is not None:
            name = name.lower()
    found: Optimizer = configurable.deserialize("optimizers", {"class_name": name, "config": config["config"]}, custom_objects)
    return found


def get(identifier: object) -> Optimizer:
    """The optimizer that `identifier` names or describes.

    A name stands for an optimizer with the defaults of Keras 2.2.5 or of tf.keras: `lamella.config.dialect()` decides.

    Args:
        identifier: A name in upper or lower case, a config, or an optimizer, which is returned itself.

    Raises:
        ValueError: It is something else, or an unknown name.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(dict(identifier))
    if isinstance(identifier, str):
        if dialect() == "tf":
            from lamella.optimizers.tf_keras import BY_NAME  # imported late: only scripts of tf.keras need it

            if identifier.lower() in BY_NAME:
                return BY_NAME[identifier.lower()]()
        return deserialize({"class_name": identifier, "config": {}})
    raise ValueError(f"Could not interpret optimizer identifier: {identifier}")


_complete(__name__)
