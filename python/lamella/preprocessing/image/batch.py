"""A batch of images by one call of a kernel: moved, recoloured, normalized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella import _kernels
from lamella.core.types import Array

# In the order of the numbers that kernels take.
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
# Of interpolation: the nearest pixel, linear, the cubic spline.
ORDERS = (0, 1, 3)


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Standardization:
    """How the numbers of an image become those that a network reads; in this order.

    Args:
        rescale: A factor.
        samplewise_center: Subtract the image's mean, of all its channels.
        samplewise_std_normalization: Divide by the image's standard deviation + 1e-6.
        mean: Subtracted: one for each channel, [C] or [1, 1, C], or for each number, [P, Q, C].
        std: Divided by, after 1e-6 is added; shapes as of mean.

    Source: keras-preprocessing 1.1.0; 1e-6 is added to deviations as there.
    """

    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std_normalization: bool = False
    mean: ArrayLike | None = None
    std: ArrayLike | None = None

    def arguments(self, dtype: DTypeLike) -> tuple[float, int, int, Array, Array]:
        """What kernels take for batches of this dtype."""
        deviation = None if self.std is None else np.asarray(self.std, np.float64) + 1e-6
        factor = 1.0 if self.rescale is None else float(self.rescale)
        center, scale = int(self.samplewise_center), int(self.samplewise_std_normalization)
        return factor, center, scale, _given(self.mean, dtype), _given(deviation, dtype)


UNCHANGED = Standardization()


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
    standardization: Standardization = UNCHANGED,
) -> None:
    """Images, moved, recoloured and normalized, each written to its place in a batch.

    For each image, in this order: the affine transformation, channel shift, flips, brightness, standardization. The GIL is
    released; images are shared out to the threads, and the result is the same bits for any number of them.

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
        standardization: Of the numbers that result.

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
        standardization.arguments(out.dtype),
        out,
    )


def standardize_batch(x: Array, out: Array, standardization: Standardization) -> None:
    """Only the last step of `augment_batch`, for pixels that a user's function changed after the others.

    Args:
        x: C-contiguous float32 or float64 [N, P, Q, C].
        out: Written: of x's dtype and shape; x itself is allowed.
        standardization: Of each image.

    Raises:
        ValueError: A shape that does not fit.
        TypeError: An `out` that cannot be written.
    """
    _kernels.standardize_images(x, standardization.arguments(out.dtype), out)


def _given(values: ArrayLike | None, dtype: DTypeLike) -> Array:
    """What a kernel takes: an empty array for what is not given."""
    return np.empty(0, dtype) if values is None else np.ascontiguousarray(values, dtype)
