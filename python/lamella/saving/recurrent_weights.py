"""Converts weights between LSTM or GRU, the cuDNN layers, and GRU with reset_after. The shape of the bias shows the kind.

Source: Keras 2.2.5 keras/engine/saving.py, which also uses the name of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.core.cudnn_layout import cudnn_from_plain, plain_from_cudnn
from lamella.core.types import Array, Arrays
from lamella.core.variable import Variable
from lamella.saving.inside import parts

# Any: the class Layer belongs to a room above.
Layer = Any

_GATES = {"LSTM": 4, "CuDNNLSTM": 4, "GRU": 3, "CuDNNGRU": 3}


def converted(layer: Layer, variables: Sequence[Variable], arrays: Sequence[Array]) -> Arrays:
    """Convert `arrays`, one for each of the `variables` of the layer and the layers inside, to the layer's own kind.

    Raises:
        ValueError: "Invalid bias shape: ..", and for a GRU without reset_after beside one with it.
    """
    found = list(arrays)
    places = {id(variable): i for i, variable in enumerate(variables)}
    for inner in _recurrent(layer):
        own = [places[id(weight)] for weight in inner.weights_by_kind()[0]]
        for place, array in zip(own, of_one(inner, [found[i] for i in own])):
            found[place] = array
    return found


def _recurrent(layer: Layer) -> list[Layer]:
    """The recurrent layers of these classes: the layer itself, or the layers inside it."""
    return [layer] if _kind(layer) else [found for part in parts(layer) for found in _recurrent(part)]


def _kind(layer: Layer) -> str | None:
    return next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in _GATES), None)


def of_one(layer: Layer, arrays: Sequence[Array]) -> Sequence[Array]:
    """The same as `converted`, for a layer without layers inside and only its arrays."""
    kind = _kind(layer)
    # cuDNN layers always have a bias. Without a bias there is nothing to convert.
    if kind is None or len(arrays) != 3 or arrays[1].ndim != 2 or arrays[0].ndim != 2:
        return arrays
    units = arrays[1].shape[0]
    columns = _GATES[kind] * units
    shape = arrays[2].shape
    if shape not in ((columns,), (2 * columns,), (2, columns)) or (_GATES[kind] == 4 and len(shape) == 2):
        raise ValueError(f"Invalid bias shape: {shape}")
    if arrays[0].shape[1] != columns or arrays[1].shape[1] != columns:
        return arrays
    return _lstm(kind, arrays, units) if _GATES[kind] == 4 else _gru(layer, kind, arrays, units)


def _lstm(target: str, arrays: Sequence[Array], units: int) -> Sequence[Array]:
    kernel, recurrent, bias = arrays
    source = "CuDNNLSTM" if bias.size == 8 * units else "LSTM"
    if source == target:
        return arrays
    if target == "LSTM":
        return [plain_from_cudnn(kernel, units), plain_from_cudnn(recurrent, units), bias[: 4 * units] + bias[4 * units :]]
    return [cudnn_from_plain(kernel, units), cudnn_from_plain(recurrent, units), np.tile(0.5 * bias, 2)]


def _gru(layer: Layer, kind: str, arrays: Sequence[Array], units: int) -> Sequence[Array]:
    kernel, recurrent, bias = arrays
    target = kind if kind == "CuDNNGRU" else f"GRU(reset_after={bool(layer.reset_after)})"
    source = "GRU(reset_after=True)" if bias.ndim == 2 else "CuDNNGRU" if bias.size == 6 * units else "GRU(reset_after=False)"
    if source == target:
        return arrays
    if "GRU(reset_after=False)" in (source, target):
        raise ValueError(f"{source} is not compatible with {target}")
    if target == "CuDNNGRU":
        return [cudnn_from_plain(kernel, units), cudnn_from_plain(recurrent, units), bias.reshape(-1)]
    return [plain_from_cudnn(kernel, units), plain_from_cudnn(recurrent, units), bias.reshape(2, -1)]
