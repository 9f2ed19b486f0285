"""Finds the kernels of convolutions: files of Keras on Theano hold them rotated by 180 degrees, as Theano flips kernels."""

from __future__ import annotations

from lamella.core.protocols import WeightedLayer
from lamella.saving.inside import parts

# Number of a layer's first weights that are kernels. Source: Keras 2.2.5 keras/engine/saving.py.
KERNELS = {"Conv1D": 1, "Conv2D": 1, "Conv3D": 1, "Conv2DTranspose": 1, "ConvLSTM2D": 2}


def rotated(layer: WeightedLayer) -> frozenset[int]:
    """The ids of the kernels of a layer, and of the layers inside it."""
    found = frozenset(i for part in parts(layer) for i in rotated(part))
    for cls in type(layer).__mro__:
        if cls.__name__ in KERNELS:
            return found | {id(w) for w in layer.weights[: KERNELS[cls.__name__]]}
    return found
