"""preprocess_weights_for_loading: converts the arrays of a file to the layout of a layer. Source: Keras 2.2.5
keras/engine/saving.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lamella.core.types import Array, Arrays
from lamella.saving.dialects import keras1
from lamella.saving.dialects.theano import KERNELS
from lamella.saving.recurrent_weights import of_one

# Any: the class Layer belongs to a room above.
Layer = Any


def preprocess_weights_for_loading(
    layer: Layer,
    weights: Sequence[ArrayLike],
    original_keras_version: str | None = None,
    original_backend: str | None = None,
    reshape: bool = False,
) -> Arrays:
    """Convert arrays to the layout of this version, in the order of `layer.weights`. Nothing is set.

    Args:
        original_keras_version: "1" for arrays of Keras 1, whose gates and kernels stand otherwise.
        original_backend: "theano" turns kernels of convolutions by 180 degrees.
        reshape: Give kernels of convolutions the layer's shape instead of moving their axes.

    Raises:
        ValueError: "Weights must be of equal size to apply a reshape operation. ..", and what recurrent weights are refused for.
    """
    arrays = [np.asarray(w) for w in weights]

    def inside(part: Layer, own: Arrays) -> Arrays:
        return preprocess_weights_for_loading(part, own, original_keras_version, original_backend, reshape)

    if hasattr(layer, "backward_layer"):
        half = len(arrays) // 2
        return inside(layer.forward_layer, arrays[:half]) + inside(layer.backward_layer, arrays[half:])
    if isinstance(getattr(layer, "layers", None), list):
        return _of_model(layer, arrays, inside)
    if hasattr(layer, "layer"):
        return inside(layer.layer, arrays)
    kernels = range(KERNELS.get(keras1.kind_of(layer), 0))
    if original_keras_version == "1":
        arrays = keras1.joined_gates(layer, arrays)
        arrays[: len(kernels)] = [keras1.moved(layer, kernel) for kernel in arrays[: len(kernels)]]
    for i in kernels:
        arrays[i] = _kernel(arrays[i], layer.weights[i].shape, original_backend == "theano", reshape)
    return list(of_one(layer, arrays))


def _of_model(model: Layer, arrays: Arrays, inside: Any) -> Arrays:
    """Layer by layer: what is trainable of all, then the others of all."""
    found: Arrays = []
    for name in ("trainable_weights", "non_trainable_weights"):
        for part in model.layers:
            count = len(getattr(part, name))
            if count:
                found += inside(part, arrays[:count])
                arrays = arrays[count:]
    return found


def _kernel(kernel: Array, shape: tuple[int, ...], turned: bool, reshape: bool) -> Array:
    if turned:
        kernel = kernel[tuple(slice(None, None, -1) for _ in kernel.shape[:-2])]
    if kernel.shape == shape:
        return kernel
    if not reshape:
        return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel
    if kernel.size != int(np.prod(shape)):
        raise ValueError(
            f"Weights must be of equal size to apply a reshape operation. The layer's kernel has shape {shape}, the one for "
            f"loading {kernel.shape}."
        )
    return kernel.reshape(shape)
