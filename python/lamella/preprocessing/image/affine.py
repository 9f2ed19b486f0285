"""Affine transformations: the matrix of a transformation, and its application to one image."""

from __future__ import annotations

import math

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.batch import augment_batch

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def affine_matrix(
    rows: int,
    columns: int,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
) -> Array:
    """Rotation, shift, shear and zoom around the centre of an image as one matrix, which tells where each pixel is read.

    Args:
        rows: Number of rows of the image.
        columns: Number of columns of the image.
        theta: Angle of the rotation, in degrees.
        tx: Shift along the axis of the rows (down), in pixels. The name is Keras's.
        ty: Shift along the axis of the columns, in pixels.
        shear: Angle of the shear, in degrees.
        zx: Zoom of the rows; 2 shows twice as many rows.
        zy: Zoom of the columns.

    Returns:
        float64 [2, 3]: pixel (p, q) is read at m[:, 0] * p + m[:, 1] * q + m[:, 2]. IDENTITY itself if nothing moves.

    Source: keras-preprocessing 1.1.0: the product of the four matrices, in closed form. As there, the centre is
        (rows / 2 + 0.5, columns / 2 + 0.5), which is one pixel below and to the right of the true centre.
    """
    if theta == tx == ty == shear == 0 and zx == zy == 1:
        return IDENTITY
    tx, ty, zx, zy = float(tx), float(ty), float(zx), float(zy)  # with a np.float32 the products would be float32
    rotation, slant = math.radians(theta), math.radians(shear)
    cosine, sine = math.cos(rotation), math.sin(rotation)
    # The product of rotation, shear and zoom. Only the rotation applies to the shift.
    down_rows, down_columns = cosine * zx, -math.sin(rotation + slant) * zy
    across_rows, across_columns = sine * zx, math.cos(rotation + slant) * zy
    row, column = rows / 2 + 0.5, columns / 2 + 0.5
    down = cosine * tx - sine * ty - down_rows * row - down_columns * column + row
    across = sine * tx + cosine * ty - across_rows * row - across_columns * column + column
    return np.array([[down_rows, down_columns, down], [across_rows, across_columns, across]])


def apply_affine_transform(
    x: Array,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 0,
    col_axis: int = 1,
    channel_axis: int = 2,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Array:
    """One image, rotated, shifted, sheared and zoomed around its centre.

    Args:
        x: One image, rank 3, any real dtype.
        theta: Angle of the rotation, in degrees.
        tx: Shift along the axis of the rows (down), in pixels. The name is Keras's.
        ty: Shift along the axis of the columns, in pixels.
        shear: Angle of the shear, in degrees.
        zx: Zoom of the rows; 2 shows twice as many rows.
        zy: Zoom of the columns.
        row_axis: The axis of x for rows.
        col_axis: The axis of x for columns.
        channel_axis: The axis of x for channels.
        fill_mode: The pixels outside of the image: "nearest" (the last pixel is repeated), "constant" (cval), "reflect" (d c b a |
            a b c d), "wrap" (the image is repeated, one pixel early), as in SciPy.
        cval: The value for "constant".
        order: Order of interpolation: 0 for the nearest pixel, 1 for linear, 3 for the cubic spline.

    Returns:
        x itself if nothing moves, else a new array of its shape and dtype. Integers are rounded and clipped to their range.

    Raises:
        ValueError: x does not have rank 3, or the order or the fill mode is none of these.

    Source: keras-preprocessing 1.1.0, which calls scipy.ndimage.affine_transform. Results agree to 1e-4 of 255, without SciPy.
    Deviation: orders 2, 4 and 5 are refused.

    Example:
        >>> import numpy as np
        >>> from lamella.preprocessing.image import apply_affine_transform
        >>> x = np.arange(4.0).reshape(2, 2, 1)
        >>> apply_affine_transform(x, ty=1).ravel().tolist()
        [1.0, 1.0, 3.0, 3.0]
    """
    image = np.asarray(x)
    if image.ndim != 3:
        raise ValueError(f"apply_affine_transform: expected one image of rank 3, got shape {image.shape}")
    axes = (row_axis, col_axis, channel_axis)
    matrix = affine_matrix(image.shape[row_axis], image.shape[col_axis], theta, tx, ty, shear, zx, zy)
    if matrix is IDENTITY:
        return x
    last = np.moveaxis(image, axes, (0, 1, 2))
    moved = np.empty((1, *last.shape), np.float64 if image.dtype in (np.float64, np.int64, np.uint64) else np.float32)
    augment_batch([last], matrix[None], moved, order=order, fill_mode=fill_mode, cval=cval)
    if image.dtype.kind in "iu":
        # Halves are rounded away from zero, as in SciPy.
        limits = np.iinfo(image.dtype)
        moved = np.clip(np.trunc(moved + np.copysign(0.5, moved)), limits.min, limits.max)
    result: Array = np.ascontiguousarray(np.moveaxis(moved[0], (0, 1, 2), axes)).astype(image.dtype, copy=False)
    return result
