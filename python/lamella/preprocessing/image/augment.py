"""From the pixels of samples to a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lamella.core.types import Array
from lamella.preprocessing.image.draws import SampleDraws


class Augments(Protocol):
    """What iterators ask of an ImageDataGenerator.

    Attributes:
        validation_split: The share of the samples that are for validation.
    """

    validation_split: float

    def fill(self, out: Array, images: Iterable[Array], samples: Iterable[int], draws: SampleDraws) -> None:
        """Write each image, changed and normalized, to its place in `out`.

        Args:
            out: [N, ...], of the dtype of batches.
            images: At most N, of one shape.
            samples: Their indices, which the random numbers belong to.
        """


def fill(out: Array, images: Iterable[Array], samples: Iterable[int], generator: Augments | None, draws: SampleDraws) -> None:
    """See Augments.fill; without a generator images stay as they are."""
    if generator is not None:
        generator.fill(out, images, samples, draws)
        return
    for place, image in zip(out, images):
        place[...] = image


def validation_share(generator: Augments | None) -> float:
    """Of the samples that are for validation."""
    return 0.0 if generator is None else generator.validation_split
