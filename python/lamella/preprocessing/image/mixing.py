"""Random erasing, MixUp and CutMix: changes of a finished batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.draws import SampleDraws

# Which of a sample's numbers: those of its transform are 0.
_OF_ERASING, _OF_MIXING = 1, 2

# Of the erased part, as the paper has it: its share of the image, and its height by its width.
_AREAS = 0.02, 0.4
_SHAPES = 0.3, 1 / 0.3


def erase(batch: Array, samples: Iterable[int], draws: SampleDraws, probability: float, *, channels_first: bool) -> None:
    """Set a random rectangle of some images to 0, in place.

    Args:
        batch: [N, H, W, C], or [N, C, H, W] for channels_first.
        probability: Of each image.

    Source: Zhong et al. 2017, Random Erasing Data Augmentation.
    """
    for image, sample in zip(_rows_first(batch, channels_first), samples):
        drawn = draws.of(sample, _OF_ERASING)
        if drawn.random() < probability:
            area = drawn.uniform(*_AREAS) * image.shape[0] * image.shape[1]
            shape = np.exp(drawn.uniform(*np.log(_SHAPES)))
            image[_rectangle(drawn, image.shape, np.sqrt(area * shape), np.sqrt(area / shape))] = 0


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
    """Mix each image with the next one of the batch, in place, and what belongs to them by the same shares.

    MixUp: share * own + (1 - share) * next, with share ~ Beta(alpha, alpha). CutMix: a rectangle of the next image, of 1 - share
    of the area, replaces that part of the image. If both alphas are given, each sample gets one of the two at random.

    Args:
        batch: As for erase.
        parts: Arrays with a row for each sample: targets, sample weights.
        mixup_alpha: 0 for none.
        cutmix_alpha: 0 for none.

    Returns:
        The parts, of the batch's dtype.

    Source: Zhang et al. 2017, mixup; Yun et al. 2019, CutMix.
    """
    images = _rows_first(batch, channels_first)
    others = np.roll(images, -1, axis=0)
    shares = np.ones(len(batch), batch.dtype)
    for place, (image, other, sample) in enumerate(zip(images, others, samples)):
        drawn = draws.of(sample, _OF_MIXING)
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


def _rows_first(batch: Array, channels_first: bool) -> Array:
    """[N, H, W, C], a view."""
    return np.moveaxis(batch, 1, 3) if channels_first else batch


def _rectangle(draws: np.random.Generator, shape: tuple[int, ...], height: float, width: float) -> tuple[slice, slice]:
    """Of about this size, within the image."""
    rows, columns = min(round(height), shape[0]), min(round(width), shape[1])
    top, left = draws.integers(shape[0] - rows + 1), draws.integers(shape[1] - columns + 1)
    return slice(top, top + rows), slice(left, left + columns)
