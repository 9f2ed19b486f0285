"""A batch of images by one call of a kernel: moved, recoloured, normalized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella import _kernels
from lamella.core.types import Array

# In the order of the numbers that kernels take.
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
# Of interpolation: the nearest pixel, linear, the cubic spline.
ORDERS = (0, 1, 3)


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
        images: N arrays [H, W, C]; sizes may differ. If all are bytes, they stay bytes until they are interpolated.
        matrices: [N, 2, 3], what `affine_matrix` returns; IDENTITY only copies.
        out: Written: C-contiguous float32 or float64 [N, P, Q, C].
        order: Of interpolation: 0 the nearest pixel, 1 linear, 3 the cubic spline.
        fill_mode: "nearest", "constant", "reflect" or "wrap".
        cval: For "constant".
        channel_shifts: [N], added to all channels, within the image's least and greatest value; 0 for none.
        flips: [N, 2], true where the rows are to be in reverse (flip_vertical), and the columns (flip_horizontal).
        brightness: [N], factors; 1 for none.
        white: The largest value that brightness makes; a value above it stays as it is, unless brightness lowers it.
        rescale: A factor.
        samplewise_center: Subtract the image's mean, of all its channels.
        samplewise_std_normalization: Divide by the image's standard deviation + 1e-6.
        mean: Subtracted: one for each channel, [C] or [1, 1, C], or for each number, [P, Q, C].
        std: Divided by, after 1e-6 is added; shapes as of mean.

    Raises:
        ValueError: An order or fill mode other than these; a shape that does not fit.
        TypeError: An image that is not an array of numbers; an `out` that cannot be written.

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
    """Only the last steps of `augment_batch`, from rescale on, for pixels that a user's function changed after the first steps.

    Args:
        x: C-contiguous float32 or float64 [N, P, Q, C].
        out: Written: of x's dtype and shape; x itself is allowed.
        rescale: A factor.
        samplewise_center: Subtract each image's mean, of all its channels.
        samplewise_std_normalization: Divide by each image's standard deviation + 1e-6.
        mean: Subtracted: one for each channel, [C] or [1, 1, C], or for each number, [P, Q, C].
        std: Divided by, after 1e-6 is added; shapes as of mean.

    Raises:
        ValueError: A shape that does not fit.
        TypeError: An `out` that cannot be written.
    """
    how = _standard(out, rescale, samplewise_center, samplewise_std_normalization, mean, std)
    _kernels.standardize_images(x, *how, out)


def _standard(
    out: Array, rescale: float | None, center: bool, scale: bool, mean: ArrayLike | None, std: ArrayLike | None
) -> tuple[float, int, int, Array, Array]:
    # Keras adds 1e-6 to the deviation.
    deviation = None if std is None else np.asarray(std, np.float64) + 1e-6
    factor = 1.0 if rescale is None else float(rescale)
    return factor, int(center), int(scale), _given(mean, out.dtype), _given(deviation, out.dtype)


def _given(values: ArrayLike | None, dtype: DTypeLike) -> Array:
    """What a kernel takes: an empty array for what is not given."""
    return np.empty(0, dtype) if values is None else np.ascontiguousarray(values, dtype)
