"""Images moved by an affine transformation, one or a batch of them, and what an augmented batch needs beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella import _kernels
from lamella.core.types import Array

# In the order of the numbers that kernels take.
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
# Of interpolation: the nearest pixel, linear, the cubic spline.
ORDERS = (0, 1, 3)
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
    """Where each pixel of the result is read: rotation, shift, shear and zoom around the centre of an image, as one matrix.

    Args:
        rows: Of the image.
        columns: Of the image.
        theta: Degrees.
        tx: Pixels, along the rows' axis (down), whatever the name says.
        ty: Pixels, along the columns' axis.
        shear: Degrees.
        zx: Zoom of the rows; 2 shows twice as many of them.
        zy: Zoom of the columns.

    Returns:
        [2, 3], float64: pixel (p, q) is read at m[:, 0] * p + m[:, 1] * q + m[:, 2]. IDENTITY itself if nothing moves.

    Source: keras-preprocessing 1.1.0: the product of the four, in closed form. The centre is (rows / 2 + 0.5, columns / 2 + 0.5),
    one pixel below and to the right of the true one, as there.
    """
    if theta == tx == ty == shear == 0 and zx == zy == 1:
        return IDENTITY
    tx, ty, zx, zy = float(tx), float(ty), float(zx), float(zy)  # a float32 of NumPy would make the products float32
    turn, slant = math.radians(theta), math.radians(shear)
    cosine, sine = math.cos(turn), math.sin(turn)
    # Rotation, then shear, then zoom; the shift is turned by the rotation alone.
    down_rows, down_columns = cosine * zx, -math.sin(turn + slant) * zy
    across_rows, across_columns = sine * zx, math.cos(turn + slant) * zy
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
    """One image, rotated, moved, sheared and zoomed around its centre.

    Args:
        x: Rank 3, any real dtype.
        theta: Degrees.
        tx: Pixels, along the rows' axis (down), whatever the name says.
        ty: Pixels, along the columns' axis.
        shear: Degrees.
        zx: Zoom of the rows; 2 shows twice as many of them.
        zy: Zoom of the columns.
        row_axis: Of x.
        col_axis: Of x.
        channel_axis: Of x.
        fill_mode: What stands outside of the image: "nearest" (its last pixels go on), "constant" (cval), "reflect" (d c b a |
            a b c d), "wrap" (it begins again, one pixel early), as in SciPy.
        cval: For "constant".
        order: Of interpolation: 0 the nearest pixel, 1 linear, 3 the cubic spline.

    Returns:
        x itself if nothing moves, else a new array of its shape and dtype; integers are rounded and kept in their range.

    Raises:
        ValueError: x is not of rank 3, or the order or the fill mode is another one.

    Source: keras-preprocessing 1.1.0 over scipy.ndimage.affine_transform, to 1e-4 of 255; SciPy is not needed.
    Deviation:  orders 2, 4 and 5 are refused.

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
        # Half goes away from zero, as in SciPy.
        limits = np.iinfo(image.dtype)
        moved = np.clip(np.trunc(moved + np.copysign(0.5, moved)), limits.min, limits.max)
    result: Array = np.ascontiguousarray(np.moveaxis(moved[0], (0, 1, 2), axes)).astype(image.dtype, copy=False)
    return result


def augment_batch(
    images: Sequence[Array],
    matrices: ArrayLike,
    out: Array,
    *,
    order: int = 1,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    channel_shifts: ArrayLike | None = None,
    flips: ArrayLike | None = None,
    brightness: ArrayLike | None = None,
    white: float = 255.0,
    rescale: float | None = None,
    samplewise_center: bool = False,
    samplewise_std_normalization: bool = False,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
) -> None:
    """Images, moved, recoloured and normalized, each written to its place in a batch.

    For each image, in this order: the affine transformation, channel shift, flips, brightness, rescale, normalization by the
    sample's mean and deviation, then by the data set's. The GIL is released; images are shared out to the threads, and the
    result is the same bits for any number of them.

    Args:
        images: N arrays [H, W, C], each of a size of its own. Bytes stay bytes until they are interpolated, if all are.
        matrices: [N, 2, 3], what `affine_matrix` returns; IDENTITY only copies.
        out: Written: C-contiguous float32 or float64 [N, P, Q, C].
        order: Of interpolation: 0 the nearest pixel, 1 linear, 3 the cubic spline.
        fill_mode: "nearest", "constant", "reflect" or "wrap".
        cval: For "constant".
        channel_shifts: [N], added to all channels, within the image's least and greatest value; 0 for none.
        flips: [N, 2], true where the rows are to be in reverse (flip_vertical), and the columns (flip_horizontal).
        brightness: [N], factors; 1 for none.
        white: What brightness keeps values from exceeding; a value that is above it already does not grow.
        rescale: A factor.
        samplewise_center: Subtract the image's mean, of all its channels.
        samplewise_std_normalization: Divide by the image's standard deviation + 1e-6.
        mean: Subtracted: one for each channel, [C] or [1, 1, C], or for each number, [P, Q, C].
        std: Divided by, + 1e-6; shapes as of mean.

    Raises:
        ValueError: An order or fill mode that is not among these; a shape that does not fit.
        TypeError: An array that is no array of numbers; an `out` that cannot be written.

    Source: the order is keras-preprocessing 1.1.0's.
    """
    if order not in ORDERS:
        raise ValueError(f"augment_batch: expected an interpolation order of {ORDERS}, got {order!r}")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"augment_batch: expected a fill mode of {FILL_MODES}, got {fill_mode!r}")
    same = np.uint8 if all(image.dtype == np.uint8 for image in images) else out.dtype
    call = _kernels.augment_bytes if same == np.uint8 else _kernels.augment_images
    call(
        [np.ascontiguousarray(image, same) for image in images],
        np.ascontiguousarray(matrices, np.float64),
        order,
        FILL_MODES.index(fill_mode),
        float(cval),
        _given(channel_shifts, np.float64),
        _given(flips, np.uint8),
        _given(brightness, np.float64),
        float(white),
        *_standard(out, rescale, samplewise_center, samplewise_std_normalization, mean, std),
        out,
    )


def standardize_batch(
    x: Array,
    out: Array,
    *,
    rescale: float | None = None,
    samplewise_center: bool = False,
    samplewise_std_normalization: bool = False,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
) -> None:
    """The last steps of `augment_batch` alone, from rescale on, for pixels that a user's function has changed in between.

    Args:
        x: C-contiguous float32 or float64 [N, P, Q, C].
        out: Written: of x's dtype and shape; x itself is allowed.
        rescale: A factor.
        samplewise_center: Subtract each image's mean, of all its channels.
        samplewise_std_normalization: Divide by each image's standard deviation + 1e-6.
        mean: Subtracted: one for each channel, [C] or [1, 1, C], or for each number, [P, Q, C].
        std: Divided by, + 1e-6; shapes as of mean.
    """
    how = _standard(out, rescale, samplewise_center, samplewise_std_normalization, mean, std)
    _kernels.standardize_images(x, *how, out)


def _standard(
    out: Array, rescale: float | None, center: bool, scale: bool, mean: ArrayLike | None, std: ArrayLike | None
) -> tuple[float, int, int, Array, Array]:
    # Keras adds 1e-6 to the deviation.
    deviation = None if std is None else np.asarray(std, np.float64) + 1e-6
    numbers = 1.0 if rescale is None else float(rescale)
    return numbers, int(center), int(scale), _given(mean, out.dtype), _given(deviation, out.dtype)


def _given(values: ArrayLike | None, dtype: DTypeLike) -> Array:
    """What a kernel takes: an empty array for what is not given."""
    return np.empty(0, dtype) if values is None else np.ascontiguousarray(values, dtype)
