"""random_rotation and its like: one random change of one image, drawn from NumPy's global random numbers, as in Keras.

They take channels_first by default; `row_axis`, `col_axis` and `channel_axis` say otherwise.

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
    """x turned around its centre.

    Args:
        x: One image, rank 3.
        rg: The greatest angle, degrees.
        fill_mode: Where no pixel is: "nearest", "constant" (cval), "reflect" or "wrap".
        interpolation_order: 0, 1 or 3.
    """
    theta = np.random.uniform(-rg, rg)
    return apply_affine_transform(
        x,
        theta=theta,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


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
    """x moved.

    Args:
        wrg: The greatest way to the left or right, of the image's width.
        hrg: Up or down, of the height. The rest as for random_rotation.
    """
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(
        x,
        tx=tx,
        ty=ty,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


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
    """x sheared.

    Args:
        intensity: The greatest angle, degrees. The rest as for random_rotation.
    """
    shear = np.random.uniform(-intensity, intensity)
    return apply_affine_transform(
        x,
        shear=shear,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


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
    """x zoomed, rows and columns each by a factor of their own.

    Args:
        zoom_range: (least, greatest); below 1 zooms in. The rest as for random_rotation.

    Raises:
        ValueError: For another number of factors.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}")
    zx = zy = 1.0
    if not zoom_range[0] == zoom_range[1] == 1:
        zx, zy = np.random.uniform(zoom_range[0], zoom_range[1], 2)
    return apply_affine_transform(
        x,
        zx=zx,
        zy=zy,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


def random_channel_shift(x: Array, intensity_range: float, channel_axis: int = 0) -> NDArray[np.generic]:
    """apply_channel_shift by at most `intensity_range`, up or down."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis=channel_axis)


def random_brightness(x: Array, brightness_range: Sequence[float]) -> NDArray[np.generic]:
    """apply_brightness_shift by a factor within `brightness_range`.

    Raises:
        ValueError: Unless there are two bounds.
    """
    if len(brightness_range) != 2:
        raise ValueError(f"`brightness_range should be tuple or list of two floats. Received: {brightness_range}")
    return apply_brightness_shift(x, np.random.uniform(brightness_range[0], brightness_range[1]))
