"""Random erasing, MixUp and CutMix: changes to a finished batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.draws import SampleDraws

# Values of `use` for SampleDraws.of; its default, 0, is the transform of the sample.
_ERASING, _MIXING = 1, 2

# The ranges of the erased rectangle, as in the paper: its fraction of the image's area, and its height / width.
_AREAS = 0.02, 0.4
_ASPECT_RATIOS = 0.3, 1 / 0.3


def erase(batch: Array, samples: Iterable[int], draws: SampleDraws, probability: float, *, channels_first: bool) -> None:
    """Set a random rectangle of some images to 0, in place.

    Args:
        batch: Floats [N, H, W, C], or [N, C, H, W] for channels_first.
        samples: The index of each sample.
        draws: The random numbers of this pass.
        probability: The probability for each image.
        channels_first: The data format.

    Source: Zhong et al. 2017, Random Erasing Data Augmentation.
    """
    for image, sample in zip(_channels_last(batch, channels_first), samples):
        drawn = draws.of(sample, _ERASING)
        if drawn.random() < probability:
            area = drawn.uniform(*_AREAS) * image.shape[0] * image.shape[1]
            ratio = np.exp(drawn.uniform(*np.log(_ASPECT_RATIOS)))
            image[_rectangle(drawn, image.shape, np.sqrt(area * ratio), np.sqrt(area / ratio))] = 0


def mix(
    batch: Array,
    parts: Sequence[Array],
    samples: Iterable[int],
    draws: SampleDraws,
    mixup_alpha: float,
    cutmix_alpha: float,
    *,
    channels_first: bool,
) -> list[Array]:
    """Mix each image with the next one of the batch, in place, and their targets and weights with the same shares.

    MixUp: share * own + (1 - share) * next, with share ~ Beta(alpha, alpha). CutMix: a rectangle of the next image, with a
    fraction of 1 - share of the area, replaces that part of the image. If both alphas are given, each sample gets one of the two
    at random.

    Args:
        batch: Floats [N, H, W, C], or [N, C, H, W] for channels_first.
        parts: Arrays with a row for each sample: values of y, sample weights.
        samples: The index of each sample.
        draws: The random numbers of this pass.
        mixup_alpha: alpha of MixUp; 0 for no MixUp.
        cutmix_alpha: alpha of CutMix; 0 for no CutMix.
        channels_first: The data format.

    Returns:
        The mixed parts, with the batch's dtype.

    Source: Zhang et al. 2017, mixup; Yun et al. 2019, CutMix.
    """
    images = _channels_last(batch, channels_first)
    others = np.roll(images, -1, axis=0)
    shares = np.ones(len(batch), batch.dtype)
    for place, (image, other, sample) in enumerate(zip(images, others, samples)):
        drawn = draws.of(sample, _MIXING)
        cuts = bool(cutmix_alpha) and (not mixup_alpha or drawn.random() < 0.5)
        alpha = cutmix_alpha if cuts else mixup_alpha
        share = drawn.beta(alpha, alpha)
        if cuts:
            side = np.sqrt(1 - share)
            region = _rectangle(drawn, image.shape, side * image.shape[0], side * image.shape[1])
            image[region] = other[region]
            share = 1 - image[region].size / image.size
        else:
            image *= share
            image += (1 - share) * other
        shares[place] = share
    return [_mixed(part.astype(batch.dtype), shares) for part in parts]


def _mixed(part: Array, shares: Array) -> Array:
    own = shares.reshape(-1, *[1] * (part.ndim - 1))
    mixed: Array = own * part + (1 - own) * np.roll(part, -1, axis=0)
    return mixed


def _channels_last(batch: Array, channels_first: bool) -> Array:
    """The batch as a view [N, H, W, C]."""
    return np.moveaxis(batch, 1, 3) if channels_first else batch


def _rectangle(draws: np.random.Generator, shape: tuple[int, ...], height: float, width: float) -> tuple[slice, slice]:
    """A random rectangle of about this size within the image, as slices of rows and columns."""
    rows, columns = min(round(height), shape[0]), min(round(width), shape[1])
    top, left = draws.integers(shape[0] - rows + 1), draws.integers(shape[1] - columns + 1)
    return slice(top, top + rows), slice(left, left + columns)
