"""The contents of a model file, in any format."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from lamella.core.configurable import Config
from lamella.core.release import BACKEND, KERAS_VERSION
from lamella.saving.dialects import Dialect, dialect_of

Named = tuple[str, NDArray[Any]]

# The attributes of Contents that are text: JSON, or a string.
TEXTS = ("keras_version", "backend", "model_config", "training_config", "state")


@dataclass
class Entry:
    """The weights of one layer.

    Attributes:
        name: Name of the layer.
        weights: Names and arrays. The weights that are trainable when the file is written are first, as in Keras.
        order: For a nested layer, the names in an order that does not depend on which weights are frozen; None if the file
            does not have it.
        place: The path of the layer in a `.weights.h5` of Keras 3 (see `formats/weights_h5.py`); None in other formats.
    """

    name: str
    weights: list[Named]
    order: list[str] | None = None
    place: str | None = None


@dataclass
class Contents:
    """The contents of a model file.

    Attributes:
        layers: An entry for each layer, in the model's order, also for layers without weights.
        keras_version: The version of Keras that wrote the file.
        backend: The backend that wrote the file.
        model_config: The description of the model; None in a file of weights.
        training_config: The arguments of compile; None in a file of weights, or if the model was not compiled.
        optimizer_weights: The optimizer's arrays; empty before the first step.
        state: What a resumed training needs in addition to the layout of Keras 2. "trained": the indices, in get_weights, of
            the weights that the optimizer's arrays are for. "iterations": the count of steps, which Keras 2.2.5 saves only
            with SGD, Adam, Adamax and Nadam. "random": the state of the training's random stream. "callbacks": the state of
            the callbacks, made by `tree.flatten`.
        state_arrays: The arrays of state["callbacks"].
    """

    layers: list[Entry]
    keras_version: str = KERAS_VERSION
    backend: str | None = BACKEND
    model_config: Config | None = None
    training_config: Config | None = None
    optimizer_weights: list[Named] = field(default_factory=list)
    state: Config = field(default_factory=dict)
    state_arrays: list[Named] = field(default_factory=list)

    @property
    def by_place(self) -> bool:
        """Whether the layers are identified by their paths in the model."""
        return any(entry.place is not None for entry in self.layers)

    @cached_property
    def dialect(self) -> Dialect:
        """The dialect of the Keras version that wrote the file."""
        return dialect_of(self.keras_version)
