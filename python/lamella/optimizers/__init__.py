"""Optimizers: in-place steps over lists of arrays; they know neither tensors nor models, so they embed anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamella.core import configurable, registry
from lamella.core.configurable import Config
from lamella.optimizers.adagrad import Adagrad
from lamella.optimizers.adam import Adam
from lamella.optimizers.base import Optimizer
from lamella.optimizers.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "Optimizer", "deserialize", "get", "serialize"]

# The names that scripts for Keras 2 use for the classes.
adagrad, adam, sgd = Adagrad, Adam, SGD


def serialize(optimizer: Optimizer) -> Config:
    """{"class_name", "config"}."""
    described: Config = configurable.serialize(optimizer)
    return described


def deserialize(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer that `serialize` described; the class name in any case. Raises ValueError if it is unknown."""
    name = config["class_name"]
    if registry.find("optimizers", name, custom_objects) is None and isinstance(name, str):
        name = name.lower()
    found: Optimizer = configurable.deserialize(
        "optimizers", {"class_name": name, "config": config["config"]}, custom_objects
    )
    return found


def get(identifier: object) -> Optimizer:
    """A name in any case, a config or an optimizer -> the optimizer. Raises ValueError for anything else."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(dict(identifier))
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    raise ValueError(f"Could not interpret optimizer identifier: {identifier}")
