"""From the pixels of samples to a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from lamella.core.types import Array
from lamella.preprocessing.image.draws import SampleDraws


class Augments(Protocol):
    """What iterators ask of an ImageDataGenerator.

    Attributes:
        validation_split: The share of the samples that are for validation.
        mixes: Whether images of a batch are mixed, and with them their targets.
    """

    validation_split: float

    @property
    def mixes(self) -> bool: ...

    def fill(self, out: Array, images: Iterable[Array], samples: Iterable[int], draws: SampleDraws) -> None:
        """Write each image, changed and normalized, to its place in `out`.

        Args:
            out: [N, ...], of the dtype of batches.
            images: At most N, of one shape.
            samples: Their indices, which the random numbers belong to.
        """

    def mix(self, batch: Array, parts: Sequence[Array], samples: Iterable[int], draws: SampleDraws) -> list[Array]:
        """Mix the images of a finished batch, in place. Returns `parts`, which have a row for each sample, mixed alike."""


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


def mix(
    batch: Array, y: Any, weights: Array | None, samples: Iterable[int], generator: Augments | None, draws: SampleDraws
) -> tuple[Any, Array | None]:
    """Targets (an array or a list of them) and sample weights after Augments.mix."""
    if generator is None or not generator.mixes or not len(batch):
        return y, weights
    targets = y if isinstance(y, list) else [y]
    for target in targets:
        if target.dtype.kind in "iu" and target.ndim == 1 and target.max() > 1:
            raise ValueError("MixUp and CutMix need targets that can be mixed, such as one-hot ones; got numbers of classes")
    parts = generator.mix(batch, [*targets, *([] if weights is None else [weights])], samples, draws)
    mixed = parts[: len(targets)]
    return mixed if isinstance(y, list) else mixed[0], None if weights is None else parts[-1]
