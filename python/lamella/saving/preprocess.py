"""preprocess_weights_for_loading: converts the arrays of a file to the layout of a layer. Source: Keras 2.2.5
keras/engine/saving.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lamella.core.types import Array, Arrays
from lamella.saving.dialects.theano import KERNELS
from lamella.saving.recurrent_weights import of_one

# Any: the class Layer belongs to a room above.
Layer = Any

# The indices of each gate's arrays in Keras 1, in the order of Keras 2: z, r, h of a GRU and i, f, c, o of an LSTM.
_GATES = {"GRU": (0, 3, 6), "LSTM": (0, 6, 3, 9), "ConvLSTM2D": (0, 6, 3, 9)}
# Axes of Keras 1's kernels in the order of Keras 2, by class and data format.
_AXES = {
    ("Conv2D", "channels_first"): (2, 3, 1, 0),
    ("Conv2DTranspose", "channels_last"): (0, 1, 3, 2),
    ("Conv2DTranspose", "channels_first"): (2, 3, 0, 1),
    ("Conv3D", "channels_first"): (2, 3, 4, 1, 0),
}


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
    kind = next((cls.__name__ for cls in type(layer).__mro__ if cls.__name__ in KERNELS), type(layer).__name__)
    if original_keras_version == "1":
        arrays = _of_keras_1(kind, layer, arrays)
    for i in range(KERNELS.get(kind, 0)):
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


def _of_keras_1(kind: str, layer: Layer, arrays: Arrays) -> Arrays:
    if kind == "Conv1D" and arrays[0].ndim == 4:
        kernel = arrays[0]
        if kernel.shape[:2] != (*layer.kernel_size, 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        return [kernel[:, 0], *arrays[1:]]
    axes = _AXES.get((kind, getattr(layer, "data_format", "")))
    if axes is not None:
        return [arrays[0].transpose(axes), *arrays[1:]]
    gates = _GATES.get(kind, ())
    if gates and len(arrays) == 3 * len(gates):
        if kind == "ConvLSTM2D" and layer.data_format == "channels_first":
            # Keras 2.2.5 joins these before it moves their axes, along the columns of the windows, which fits no layer.
            arrays = [a.transpose(2, 3, 1, 0) if a.ndim == 4 else a for a in arrays]
        return [np.concatenate([arrays[i + g] for g in gates], axis=-1) for i in range(3)]
    return arrays


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
