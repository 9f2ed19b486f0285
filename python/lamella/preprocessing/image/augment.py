"""The interface between iterators, which read the pixels of samples, and an ImageDataGenerator, which makes batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.preprocessing.image.draws import SampleDraws


class Augments(Protocol):
    """The methods of an ImageDataGenerator that iterators call.

    Attributes:
        validation_split: The fraction of the samples that is for validation.
        mixes: Whether the images of a batch are mixed, together with their y.
    """

    validation_split: float

    @property
    def mixes(self) -> bool: ...

    def fill(self, out: Array, images: Iterable[Array], samples: Iterable[int], draws: SampleDraws) -> None:
        """Write each image, changed and normalized, to its place in `out`.

        Args:
            out: [N, ...], with the dtype of the batch.
            images: At most N images of the same shape.
            samples: The index of each sample, by which its random numbers are drawn.
            draws: The random numbers of this pass.
        """

    def mix(self, batch: Array, parts: Sequence[Array], samples: Iterable[int], draws: SampleDraws) -> list[Array]:
        """Mix the images of a finished batch, in place.

        Args:
            batch: The images.
            parts: Arrays with a row for each sample: values of y, sample weights.
            samples: The index of each sample, by which its random numbers are drawn.
            draws: The random numbers of this pass.

        Returns:
            The parts, mixed in the same way.
        """


def fill(out: Array, images: Iterable[Array], samples: Iterable[int], generator: Augments | None, draws: SampleDraws) -> None:
    """See Augments.fill. Without a generator the images are copied unchanged."""
    if generator is not None:
        generator.fill(out, images, samples, draws)
        return
    for place, image in zip(out, images):
        place[...] = image


def parts(subset: str, generator: Augments | None) -> tuple[float, float]:
    """The part of the samples that a subset has, as fractions (start, stop).

    Raises:
        ValueError: The subset is neither "training" nor "validation".
    """
    share = 0.0 if generator is None else generator.validation_split
    if subset == "training":
        return share, 1.0
    if subset != "validation":
        raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')
    if not share:
        warn('subset="validation" has no samples, because the ImageDataGenerator has no validation_split')
    return 0.0, share


def mix(
    batch: Array, y: Any, weights: Array | None, samples: Iterable[int], generator: Augments | None, draws: SampleDraws
) -> tuple[Any, Array | None]:
    """y (an array or a list of arrays) and sample weights after Augments.mix."""
    if generator is None or not generator.mixes or not len(batch):
        return y, weights
    targets = y if isinstance(y, list) else [y]
    for target in targets:
        if target.dtype.kind in "iu" and target.ndim == 1 and target.max() > 1:
            raise ValueError("MixUp and CutMix need a y that can be mixed, for example one-hot; got numbers of classes")
    parts = generator.mix(batch, [*targets, *([] if weights is None else [weights])], samples, draws)
    mixed = parts[: len(targets)]
    return mixed if isinstance(y, list) else mixed[0], None if weights is None else parts[-1]
