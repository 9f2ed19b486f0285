"""Where cuDNN keeps the kernels of a recurrent layer's gates: the same shapes as plain ones, with each gate's numbers in another
order. Source: Keras 2.2.5 keras/engine/saving.py.
"""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array


def plain_from_cudnn(kernel: Array, units: int) -> Array:
    """[F, gates * units] of cuDNN to the plain one: a gate's block [F, units] is read as a row-major [units, F], and turned.

    For a recurrent kernel, where F is units, that is each block transposed.
    """
    features, columns = kernel.shape
    blocks = kernel.reshape(features, columns // units, units).swapaxes(0, 1).reshape(-1, units, features)
    return np.ascontiguousarray(blocks.transpose(2, 0, 1)).reshape(features, columns)


def cudnn_from_plain(kernel: Array, units: int) -> Array:
    """The way back."""
    features, columns = kernel.shape
    blocks = kernel.reshape(features, columns // units, units).transpose(1, 2, 0).reshape(-1, features, units)
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(features, columns)
