"""Functions of keras.engine.saving that converters of model files call: weights in groups of HDF5, models as bytes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lamella import saving
from lamella.core.protocols import SavedModel
from lamella.graph.layer import Layer
from lamella.saving.formats.h5 import write_names
from lamella.saving.guards.hdf5 import Reader

if TYPE_CHECKING:
    import h5py


def save_attributes_to_hdf5_group(group: h5py.Group, name: str, data: Sequence[str | bytes]) -> None:
    """Write a list of texts as one attribute, or as name0, name1, ... if one would be too long for HDF5.

    Raises:
        ValueError: A single text is too long. Keras 2.2.5 raises RuntimeError.
    """
    write_names(group, name, [text.decode() if isinstance(text, bytes) else text for text in data])


def load_attributes_from_hdf5_group(group: h5py.Group, name: str) -> list[str]:
    """The list of texts that `save_attributes_to_hdf5_group` wrote; an empty list if there is no such attribute."""
    return Reader(group.file.filename, None).names(group, name) or []


def save_weights_to_hdf5_group(group: h5py.Group, layers: Sequence[Layer]) -> None:
    """Write the weights of layers to a group, in the layout of Keras 2."""
    saving.save_weights(_model_of(layers), group)


def load_weights_from_hdf5_group(f: h5py.Group, layers: Sequence[Layer], reshape: bool = False) -> None:
    """Set the weights of layers from a group, in order. Layers without weights are skipped.

    Args:
        f: The group.
        layers: The layers.
        reshape: Whether weights of another shape but the same size are reshaped.

    Raises:
        ValueError: The weights do not fit. Nothing is set then.
    """
    saving.load_weights(_model_of(layers), f, reshape=reshape)


def load_weights_from_hdf5_group_by_name(
    f: h5py.Group, layers: Sequence[Layer], skip_mismatch: bool = False, reshape: bool = False
) -> None:
    """Set the weights of those layers whose names are in a group.

    Args:
        f: The group.
        layers: The layers.
        skip_mismatch: Whether layers whose weights do not fit are skipped, with a warning.
        reshape: Whether weights of another shape but the same size are reshaped.

    Raises:
        ValueError: The weights do not fit, and skip_mismatch is not set.
    """
    saving.load_weights(_model_of(layers), f, by_name=True, skip_mismatch=skip_mismatch, reshape=reshape)


def pickle_model(model: Any) -> dict[str, bytes]:
    """A model as a dict of bytes. The format is lamella's own; Keras cannot read it."""
    return {"model": pickle.dumps(model)}


def unpickle_model(state: dict[str, bytes]) -> Any:
    """The model that `pickle_model` stored. A pickle can run code: do not read one from an unknown source."""
    return pickle.loads(state["model"])


@dataclass
class _Layers:
    """The part of a model that saving needs to write or read only weights."""

    layers: Sequence[Layer]


def _model_of(layers: Sequence[Layer]) -> SavedModel:
    return cast(SavedModel, _Layers(layers))
