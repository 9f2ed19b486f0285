"""The layout of a recurrent layer's kernels for cuDNN. The shapes are those of plain kernels, but the numbers of each gate are in
another order. Source: Keras 2.2.5 keras/engine/saving.py.
"""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array


def plain_from_cudnn(kernel: Array, units: int) -> Array:
    """The plain kernel [F, gates * units] of a cuDNN kernel of the same shape.

    The numbers of each gate's block [F, units] are read as a row-major [units, F], which is then transposed. For a recurrent
    kernel, where F is units, each block is transposed.
    """
    features, columns = kernel.shape
    blocks = kernel.reshape(features, columns // units, units).swapaxes(0, 1).reshape(-1, units, features)
    return np.ascontiguousarray(blocks.transpose(2, 0, 1)).reshape(features, columns)


def cudnn_from_plain(kernel: Array, units: int) -> Array:
    """The cuDNN kernel of a plain kernel: the inverse of `plain_from_cudnn`."""
    features, columns = kernel.shape
    blocks = kernel.reshape(features, columns // units, units).transpose(1, 2, 0).reshape(-1, features, units)
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(features, columns)
