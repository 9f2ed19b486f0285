"""Random changes of one image, each drawn from NumPy's global random state, as in keras-preprocessing 1.1.0.

The functions take channels_first by default; `row_axis`, `col_axis` and `channel_axis` say otherwise.

Deviation:  in keras-preprocessing 1.1.0 `row_axis` and `col_axis` do not reach the transform, so that an image of
channels_first turns around a wrong centre.
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
        rg: Degrees.
        row_axis: Of x.
        col_axis: Of x.
        channel_axis: Of x.
        fill_mode: What stands outside of the image: "nearest", "constant" (cval), "reflect" or "wrap", see
            apply_affine_transform.
        cval: For "constant".
        interpolation_order: 0 the nearest pixel, 1 linear, 3 the cubic spline.

    Returns:
        A new array of x's shape and dtype; x itself if nothing moves.

    Raises:
        ValueError: x is not of rank 3, or the order or the fill mode is none of these.
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

    Args:
        wrg: A share of the width.
        hrg: A share of the height. The rest as for random_rotation, which says what is returned and raised, too.
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

    Args:
        intensity: Degrees. The rest as for random_rotation, which says what is returned and raised, too.
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
    """Zoom x, rows and columns each by a factor of their own.

    Args:
        zoom_range: (least, greatest) factor; below 1 zooms in. The rest as for random_rotation.

    Returns:
        As for random_rotation.

    Raises:
        ValueError: As for random_rotation, and if zoom_range is not two numbers.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}")
    zx = zy = 1.0
    if not zoom_range[0] == zoom_range[1] == 1:
        zx, zy = np.random.uniform(zoom_range[0], zoom_range[1], 2)
    return _moved(x, (row_axis, col_axis, channel_axis), fill_mode, cval, interpolation_order, zx=zx, zy=zy)


def random_channel_shift(x: Array, intensity_range: float, channel_axis: int = 0) -> NDArray[np.generic]:
    """apply_channel_shift by an intensity from -intensity_range to intensity_range."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis=channel_axis)


def random_brightness(x: Array, brightness_range: Sequence[float]) -> NDArray[np.generic]:
    """apply_brightness_shift by a factor within brightness_range.

    Args:
        brightness_range: (least, greatest) factor.

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
