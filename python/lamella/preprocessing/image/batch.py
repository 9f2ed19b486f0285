"""Makes a batch of images with one call of a kernel, which transforms, recolours and normalizes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella import _kernels
from lamella.core.types import Array

# The index of a mode is the number that kernels take.
FILL_MODES = ("nearest", "constant", "reflect", "wrap")
# Orders of interpolation: nearest pixel, linear, cubic spline.
ORDERS = (0, 1, 3)


@dataclass(frozen=True, eq=False)  # == of arrays is an array, not a bool
class Standardization:
    """The normalization of an image. The steps are applied in the order of the arguments.

    Args:
        rescale: A factor; None for none.
        samplewise_center: Whether to subtract the image's mean, over all channels.
        samplewise_std_normalization: Whether to divide by the image's standard deviation + 1e-6.
        mean: Is subtracted: one number for each channel, [C] or [1, 1, C], or for each number of the image, [P, Q, C].
        std: The image is divided by std + 1e-6; shapes as for mean.

    Source: keras-preprocessing 1.1.0, which also adds 1e-6.
    """

    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std_normalization: bool = False
    mean: ArrayLike | None = None
    std: ArrayLike | None = None

    def arguments(self, dtype: DTypeLike) -> tuple[float, int, int, Array, Array]:
        """The arguments of the kernels for batches of this dtype."""
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
    """Transform, recolour and normalize images, and write each to its place in a batch.

    For each image, in this order: the affine transformation, channel shift, flips, brightness, standardization. The GIL is
    released. The threads work on different images, and the result has the same bits for any number of threads.

    Args:
        images: N arrays [H, W, C]; sizes may differ. If all are uint8, they are converted only when they are interpolated.
        matrices: [N, 2, 3], from `affine_matrix`. An image with IDENTITY is only copied.
        out: The batch that is written: C-contiguous float32 or float64 [N, P, Q, C].
        order: Order of interpolation: 0 for the nearest pixel, 1 for linear, 3 for the cubic spline.
        fill_mode: "nearest", "constant", "reflect" or "wrap".
        cval: The value for "constant".
        channel_shifts: [N], added to all channels; results are clipped to the image's smallest and largest value. 0 for none.
        flips: [N, 2], whether to reverse the rows (flip_vertical), and the columns (flip_horizontal).
        brightness: [N], factors; 1 for none.
        white: The largest value that brightness makes. A value above it is not changed, unless brightness lowers it.
        standardization: The normalization, applied last.

    Raises:
        ValueError: The order or the fill mode is none of these, or a shape does not fit.
        TypeError: An image is not an array of numbers, or `out` cannot be written.

    Source: the order of the steps is that of keras-preprocessing 1.1.0.
    """
    if order not in ORDERS:
        raise ValueError(f"augment_batch: expected an interpolation order of {ORDERS}, got {order!r}")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"augment_batch: expected a fill mode of {FILL_MODES}, got {fill_mode!r}")
    same = np.uint8 if {image.dtype for image in images} == {np.dtype(np.uint8)} else out.dtype
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
    """Do only the last step of `augment_batch`, for pixels that a user's function changed after the other steps.

    Args:
        x: C-contiguous float32 or float64 [N, P, Q, C].
        out: The array that is written, with the dtype and shape of x; may be x itself.
        standardization: The normalization of each image.

    Raises:
        ValueError: A shape does not fit.
        TypeError: `out` cannot be written.
    """
    _kernels.standardize_images(x, standardization.arguments(out.dtype), out)


def _given(values: ArrayLike | None, dtype: DTypeLike) -> Array:
    """An argument of a kernel, which takes an empty array for None."""
    return np.empty(0, dtype) if values is None else np.ascontiguousarray(values, dtype)
