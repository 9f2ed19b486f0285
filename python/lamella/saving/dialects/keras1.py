"""Converts the arrays of Keras 1 to the layout of Keras 2.

Keras 1 has W, U and b for each gate of a recurrent layer, other axes of kernels, and other names. Its files of weights have no
version; the published weights of VGG16, VGG19 and ResNet50 are such files. Source: Keras 2.2.5 keras/engine/saving.py, Keras 1.2.2.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamella.core.protocols import WeightedLayer
from lamella.core.types import Array, Arrays
from lamella.saving.dialects.theano import KERNELS
from lamella.saving.inside import parts

Named = tuple[str, NDArray[Any]]

# The gates in the order of Keras 2, and the indices of each gate's first array in Keras 1.
_GATES = {"GRU": ("zrh", (0, 3, 6)), "LSTM": ("ifco", (0, 6, 3, 9)), "ConvLSTM2D": ("ifco", (0, 6, 3, 9))}
# The axes of kernels of Keras 1 in the order of Keras 2, by class and data format.
_AXES = {
    ("Conv2D", "channels_first"): (2, 3, 1, 0),
    ("Conv2DTranspose", "channels_last"): (0, 1, 3, 2),
    ("Conv2DTranspose", "channels_first"): (2, 3, 0, 1),
    ("Conv3D", "channels_first"): (2, 3, 4, 1, 0),
    ("ConvLSTM2D", "channels_first"): (2, 3, 1, 0),
}
# dense_1_W, lstm_1_U_f. TensorFlow adds _1 to a name that is in use, and ":0".
_NAME = re.compile(
    r"(?P<layer>.+?)_(?P<weight>[WUb]|[a-z]+_kernel|gamma|beta|alphas|running_mean|running_std)"
    r"(_(?P<gate>[ifcozrh]))?(_\d+)?(:0)?"
)
_RENAMED = {
    "W": "kernel",
    "U": "recurrent_kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}


def kind_of(layer: WeightedLayer) -> str:
    """The class of Keras from which the layer is derived, if its weights need a conversion; else the layer's own class."""
    known = set(_GATES) | set(KERNELS)
    return next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in known), type(layer).__name__)


def joined(layer: WeightedLayer, named: Sequence[Named]) -> list[Named]:
    """The arrays of a layer with the gates of each recurrent layer in one kernel, one recurrent kernel and one bias.

    The arrays of a simple layer are in Keras's order. The arrays of a layer with layers inside are identified by their names,
    which become those of Keras 2.

    Args:
        layer: The layer.
        named: The names and arrays of the file.
    """
    inner = parts(layer)
    if not inner:
        names = [name for name, _ in named]
        return list(zip(names, joined_gates(layer, [array for _, array in named])))
    if len(inner) == 1:
        return joined(inner[0], named)
    return _by_names(layer, named)


def joined_gates(layer: WeightedLayer, arrays: Arrays) -> Arrays:
    """The same as `joined`, for a layer without layers inside and without names."""
    kind = kind_of(layer)
    _, places = _GATES.get(kind, ("", ()))
    if not places or len(arrays) != 3 * len(places):
        return arrays
    channels_first = getattr(layer, "data_format", "") == "channels_first"
    return [_concatenated([arrays[place + i] for place in places], channels_first) for i in range(3)]


def _concatenated(gates: Arrays, channels_first: bool) -> Array:
    # Only a convolution's kernels have 4 axes.
    return np.concatenate(gates, axis=0 if channels_first and gates[0].ndim == 4 else -1)


def _by_names(layer: WeightedLayer, named: Sequence[Named]) -> list[Named]:
    """The same as `joined`, for a layer with several layers inside."""
    ours = [variable.name.removesuffix(":0") for variable in layer.weights]
    channels_first = any(getattr(leaf, "data_format", "") == "channels_first" for leaf in _leaves(layer))
    found: dict[str, Array] = {}
    gates: dict[str, dict[str, Array]] = defaultdict(dict)
    for name, array in named:
        match = _NAME.fullmatch(name)
        new = name if match is None else _renamed(match["layer"], match["weight"], ours)
        if match is not None and match["gate"] is not None:
            found.setdefault(new, array)  # the place of the first gate
            gates[new][match["gate"]] = array
        else:
            # A second array of the same new name keeps its own, so that none is lost.
            found[name if new in found else new] = array
    for name, own in gates.items():
        order = next((letters for letters, _ in _GATES.values() if set(letters) == set(own)), "".join(own))
        found[name] = _concatenated([own[letter] for letter in order], channels_first)
    return list(found.items())


def _renamed(layer: str, weight: str, ours: Sequence[str]) -> str:
    if weight == "W" and any(f"/{name}".endswith(f"/{layer}/embeddings") for name in ours):
        return f"{layer}/embeddings:0"
    return f"{layer}/{_RENAMED.get(weight, weight)}:0"


def _leaves(layer: WeightedLayer) -> list[Any]:
    inner = parts(layer)
    return [leaf for part in inner for leaf in _leaves(part)] if inner else [layer]


def kernels(layer: WeightedLayer) -> dict[int, WeightedLayer]:
    """The kernels of convolutions in a layer, by id, each with its layer."""
    leaves = _leaves(layer)
    return {id(weight): leaf for leaf in leaves for weight in leaf.weights[: KERNELS.get(kind_of(leaf), 0)]}


def moved(layer: Any, kernel: Array) -> Array:
    """A kernel of this convolution with its axes in the order of Keras 2.

    A kernel that has the layer's shape only before its axes are moved is returned as it is: a file that was written with
    channels_last, for a layer with channels_first.
    """
    kind = kind_of(layer)
    if kind == "Conv1D" and kernel.ndim == 4:
        # Keras 1.1 and earlier: filters, channels, size, 1.
        if kernel.shape[:2] != (*layer.kernel_size, 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        return kernel[:, 0] if kernel.shape[1] == 1 else kernel
    axes = _AXES.get((kind, getattr(layer, "data_format", "")), ())
    if len(axes) != kernel.ndim:
        return kernel
    transposed = kernel.transpose(axes)
    shapes = [weight.shape for weight in layer.weights[: KERNELS[kind]]]
    return kernel if kernel.shape in shapes and transposed.shape not in shapes else transposed
