"""What a model file holds, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from lamella.core.configurable import Config
from lamella.core.release import BACKEND, KERAS_VERSION
from lamella.saving.dialects import Dialect, dialect_of

Named = tuple[str, NDArray[Any]]


@dataclass
class Entry:
    """The weights of one layer: those first that are trainable when the file is written, as Keras has it.

    order: of a nested layer, the names in an order that does not depend on what is frozen; None where the file does not say.
    place: where Keras 3's `.weights.h5` keeps the layer (see `formats/weights_h5.py`); None in every other format.
    """

    name: str
    weights: list[Named]
    order: list[str] | None = None
    place: str | None = None


@dataclass
class Contents:
    """layers: in the model's order, those without weights, too.  model_config, training_config: None in a file of
    weights; the second also where the model was not compiled.  optimizer_weights: empty before the first step.
    state: what resuming needs and Keras 2's layout has no place for. "trained": which of the model's weights, by their place
    in get_weights, the optimizer's arrays are for; "iterations": Keras 2.2.5 saves them with SGD, Adam,
    Adamax and Nadam only, and with the others decay starts again; "random": where the training's random stream stands;
    "callbacks": their state, as `tree.flatten` makes it, its arrays in state_arrays.
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
        """Whether the file says of each layer where in the model it stands."""
        return any(entry.place is not None for entry in self.layers)

    @cached_property
    def dialect(self) -> Dialect:
        """What the version of Keras that wrote the file says differently."""
        return dialect_of(self.keras_version)
