"""Random changes of one image, each drawn from NumPy's global random state, as in keras-preprocessing 1.1.0.

By default images are channels first; `row_axis`, `col_axis` and `channel_axis` choose another order.

Deviation: keras-preprocessing 1.1.0 does not pass `row_axis` and `col_axis` on, so it rotates an image with channels first
around a wrong centre.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamella.core.types import Array
from lamella.preprocessing.image.affine import apply_affine_transform
from lamella.preprocessing.image.pixels import apply_brightness_shift, apply_channel_shift


def random_rotation(
    x: Array,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[np.generic]:
    """Rotate x around its centre by an angle from -rg to rg.

    Args:
        x: One image, rank 3, any real dtype.
        rg: The largest angle, in degrees.
        row_axis: The axis of x for rows.
        col_axis: The axis of x for columns.
        channel_axis: The axis of x for channels.
        fill_mode: The pixels outside of the image: "nearest", "constant" (cval), "reflect" or "wrap", see
            apply_affine_transform.
        cval: The value for "constant".
        interpolation_order: 0 for the nearest pixel, 1 for linear, 3 for the cubic spline.

    Returns:
        A new array with the shape and dtype of x; x itself if nothing moves.

    Raises:
        ValueError: x does not have rank 3, or the order or the fill mode is none of these.
    """
    theta = np.random.uniform(-rg, rg)
    return _moved(x, (row_axis, col_axis, channel_axis), fill_mode, cval, interpolation_order, theta=theta)


def random_shift(
    x: Array,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[np.generic]:
    """Shift x along its columns by -wrg to wrg and along its rows by -hrg to hrg.

    Results, errors and the arguments that are not listed are those of `random_rotation`.

    Args:
        x: One image.
        wrg: A fraction of the width.
        hrg: A fraction of the height.
    """
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return _moved(x, (row_axis, col_axis, channel_axis), fill_mode, cval, interpolation_order, tx=tx, ty=ty)


def random_shear(
    x: Array,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[np.generic]:
    """Shear x by an angle from -intensity to intensity.

    Results, errors and the arguments that are not listed are those of `random_rotation`.

    Args:
        x: One image.
        intensity: The largest angle, in degrees.
    """
    shear = np.random.uniform(-intensity, intensity)
    return _moved(x, (row_axis, col_axis, channel_axis), fill_mode, cval, interpolation_order, shear=shear)


def random_zoom(
    x: Array,
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray[np.generic]:
    """Zoom x, rows and columns each by its own factor.

    Results, errors and the arguments that are not listed are those of `random_rotation`.

    Args:
        x: One image.
        zoom_range: (smallest, largest) factor. A factor below 1 zooms in.

    Raises:
        ValueError: zoom_range is not two numbers; see also random_rotation.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}")
    zx = zy = 1.0
    if not zoom_range[0] == zoom_range[1] == 1:
        zx, zy = np.random.uniform(zoom_range[0], zoom_range[1], 2)
    return _moved(x, (row_axis, col_axis, channel_axis), fill_mode, cval, interpolation_order, zx=zx, zy=zy)


def random_channel_shift(x: Array, intensity_range: float, channel_axis: int = 0) -> NDArray[np.generic]:
    """`apply_channel_shift` with an intensity from -intensity_range to intensity_range.

    Args:
        x: One image, rank 3.
        intensity_range: The largest intensity.
    """
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis=channel_axis)


def random_brightness(x: Array, brightness_range: Sequence[float]) -> NDArray[np.generic]:
    """`apply_brightness_shift` with a factor within brightness_range.

    Args:
        x: One image, rank 3, with values from 0 (black) to 255 (white).
        brightness_range: (smallest, largest) factor.

    Raises:
        ValueError: brightness_range is not two numbers.
    """
    if len(brightness_range) != 2:
        raise ValueError(f"`brightness_range should be tuple or list of two floats. Received: {brightness_range}")
    return apply_brightness_shift(x, np.random.uniform(brightness_range[0], brightness_range[1]))


def _moved(x: Array, axes: tuple[int, int, int], fill_mode: str, cval: float, order: int, **move: float) -> Array:
    row, column, channel = axes
    return apply_affine_transform(
        x, **move, row_axis=row, col_axis=column, channel_axis=channel, fill_mode=fill_mode, cval=cval, order=order
    )
