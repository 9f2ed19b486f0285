"""Dialects: translate what Keras 1, tf.keras and Keras 3 write differently to the form of Keras 2.2.5."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lamella.core.configurable import Config
from lamella.core.release import KERAS_VERSION
from lamella.core.types import Array, Arrays
from lamella.saving.dialects import keras1_models, keras2_models, models, optimizers, training


@dataclass(frozen=True)
class Dialect:
    """How one release of Keras writes a model.

    Attributes:
        release: (2, 2, 4) for "2.2.4-tf"; (0, 0, 0) for a text that is not a version.
        is_keras_1: Weights have another layout, see `dialects/keras1.py`.
        is_keras_2: False for Keras 3 and for tf.keras: "2.2.4-tf", and 2.4 to 2.x, which only tf.keras has.
    """

    release: tuple[int, int, int]
    is_keras_1: bool
    is_keras_2: bool

    def model(self, config: Config) -> Config:
        """A model's description in the form of Keras 2.2.5.

        Raises:
            KeyError, TypeError, ValueError: It is not a description of a model.
        """
        if self.is_keras_1:
            return keras1_models.in_keras_2(config)
        if self.is_keras_2:
            return keras2_models.in_keras_2_2(config) if self.release < (2, 2) else config
        return models.in_keras_2(config, first_node=1 if self.release >= (3, 0) else 0)

    def training(self, config: Config, outputs: Sequence[str]) -> Config:
        """The arguments of compile in the form of Keras 2.2.5.

        Args:
            config: The file's training configuration.
            outputs: The names of the model's outputs.

        Raises:
            ValueError: Keras 2.2.5 cannot express something in it.
        """
        if self.is_keras_1 or self.is_keras_2:
            return config
        return training.in_keras_2(config, outputs)

    @property
    def sorts_parameters(self) -> bool:
        """Whether the optimizer's arrays are in the order of the names of the parameters, as up to Keras 2.0.5."""
        return (1, 0) <= self.release < (2, 0, 6)

    def optimizer_arrays(
        self, arrays: Sequence[Array], optimizer: Config, wanted: Sequence[Array], names: Sequence[str]
    ) -> tuple[Arrays, int | None]:
        """The optimizer's arrays of the file in the order of ours, and the iterations; see `dialects/optimizers.py`.

        Args:
            arrays: The arrays of the file.
            optimizer: The file's {"class_name", "config"}.
            wanted: The result of the optimizer's `get_weights`.
            names: The names in the file of the arrays that the optimizer trains.

        Raises:
            ValueError: The arrays do not belong to such an optimizer.
        """
        if self.is_keras_1:
            raise ValueError("the arrays of Keras 1 are for weights with another layout")
        order = sorted(range(len(names)), key=names.__getitem__) if self.sorts_parameters else None
        return optimizers.arranged(arrays, self.release, optimizer, wanted, len(names), order)


def dialect_of(version: str) -> Dialect:
    """The dialect of what this version of Keras wrote."""
    found = _release(version)
    return Dialect(found, found[0] == 1, found[0] == 2 and found[1] < 4 and not version.endswith("-tf"))


def dialect_of_description(config: Config) -> Dialect:
    """The dialect of a description without a file. Keras 3 writes no version into it, but the modules of classes."""
    stranger = {"keras_version", "module"} & set(config)
    return dialect_of(str(config.get("keras_version", "3.0")) if stranger else KERAS_VERSION)


def _release(version: str) -> tuple[int, int, int]:
    """The three numbers at the beginning: those of 3.0.0rc1 are 3, 0 and 0."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return (0, 0, 0) if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))
