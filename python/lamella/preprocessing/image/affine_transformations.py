"""The names of keras_preprocessing.image.affine_transformations. Source: Keras_Preprocessing 1.1.2."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamella.preprocessing.image.affine import apply_affine_transform as apply_affine_transform
from lamella.preprocessing.image.pixels import apply_brightness_shift as apply_brightness_shift
from lamella.preprocessing.image.pixels import apply_channel_shift as apply_channel_shift
from lamella.preprocessing.image.random_functions import random_brightness as random_brightness
from lamella.preprocessing.image.random_functions import random_channel_shift as random_channel_shift
from lamella.preprocessing.image.random_functions import random_rotation as random_rotation
from lamella.preprocessing.image.random_functions import random_shear as random_shear
from lamella.preprocessing.image.random_functions import random_shift as random_shift
from lamella.preprocessing.image.random_functions import random_zoom as random_zoom


def flip_axis(x: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
    """A view of an image, reversed along one axis.

    Args:
        x: An image of any dtype.
        axis: The axis.

    Returns:
        The same shape and dtype.
    """
    return np.flip(x, axis)


def transform_matrix_offset_center(matrix: NDArray[np.floating], x: float, y: float) -> NDArray[np.floating]:
    """The transform about the center of an image instead of its first pixel.

    Args:
        matrix: 3 x 3, on (row, column, 1).
        x: Number of rows.
        y: Number of columns.

    Returns:
        A matrix, 3 x 3, float64.
    """
    center = np.array([x / 2.0 + 0.5, y / 2.0 + 0.5])
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = center, -center
    moved: NDArray[np.floating] = there @ matrix @ back
    return moved
