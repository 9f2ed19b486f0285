"""Dialects: what tf.keras and Keras 3 say differently, in the words of Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lamella.core.configurable import Config
from lamella.core.release import KERAS_VERSION
from lamella.saving.dialects import models, optimizers, training

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class Dialect:
    """How one release of Keras writes a model.

    Attributes:
        release: (2, 2) of "2.2.4-tf"; (0, 0) of what is no version.
        is_keras_2: False for tf.keras ("2.2.4-tf", and 2.4 to 2.x, which Keras itself never reached) and for Keras 3.
    """

    release: tuple[int, int]
    is_keras_2: bool

    def model(self, config: Config) -> Config:
        """A model's description as Keras 2.2.5 would write it. Raises KeyError, TypeError, ValueError for what is none."""
        if self.is_keras_2:
            return config
        return models.in_keras_2(config, first_node=1 if self.release >= (3, 0) else 0)

    def training(self, config: Config, outputs: Sequence[str]) -> Config:
        """How a model with these outputs was compiled. Raises ValueError for what Keras 2.2.5 cannot say."""
        if self.is_keras_2:
            return config
        return training.in_keras_2(config, outputs)

    def optimizer_arrays(
        self, arrays: Sequence[NDArray[Any]], optimizer: Config, wanted: Sequence[NDArray[Any]], parameters: int
    ) -> tuple[Arrays, int | None]:
        """The optimizer's arrays of the file in the order of ours, and the iterations; see `dialects/optimizers.py`."""
        return optimizers.arranged(arrays, self.release, optimizer, wanted, parameters)


def dialect_of(version: str) -> Dialect:
    """The dialect of what this version of Keras wrote."""
    found = _release(version)
    return Dialect(found, found[0] == 2 and found[1] < 4 and not version.endswith("-tf"))


def dialect_of_description(config: Config) -> Dialect:
    """Of a description without a file: Keras 3 does not say its version, but where its classes are from."""
    stranger = {"keras_version", "module"} & set(config)
    return dialect_of(str(config.get("keras_version", "3.0")) if stranger else KERAS_VERSION)


def _release(version: str) -> tuple[int, int]:
    numbers = version.split("-")[0].split(".")
    try:
        return int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return 0, 0
