"""NumpyArrayIterator: batches of images from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella.core import config
from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.preprocessing.image.augment import Augments, fill, mix, parts
from lamella.preprocessing.image.formats import checked_format, warn_of_channels
from lamella.preprocessing.image.iterators import Iterator
from lamella.preprocessing.image.saved import save_batch


class NumpyArrayIterator(Iterator):
    """Batches (x, y), (x, y, sample_weight), or x alone without y.

    Args:
        x: Numbers [N, H, W, C] or [N, C, H, W]; or (images, misc), where misc is an array or a list of arrays with N rows. Their
            rows are not changed, and the x of a batch is then a list.
        y: [N, ...].
        image_data_generator: The generator that changes and normalizes the images. None leaves them unchanged.
        batch_size: See Iterator.
        shuffle: See Iterator.
        sample_weight: [N].
        seed: See Iterator.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        save_to_dir: A folder to which each resulting image is written, scaled to 0 to 255, for inspection.
        save_prefix: The beginning of the names of these files.
        save_format: "png", "jpeg" or another format of Pillow.
        subset: "validation": the first samples, a fraction that is the generator's validation_split. "training": the rest.
            None: all.
        dtype: Dtype of the images in a batch. None means floatx().

    Raises:
        ValueError: Arrays have different lengths, images do not have rank 4, or a subset lacks one of the classes in y.

    Source: keras-preprocessing 1.1.0.

    Deviations: `x` is the user's array and keeps its dtype; Keras makes a copy of floats. `sample_weight` is split with the
        subset. Keras does not split it, so that the training subset gets the weights of other samples.
    """

    def __init__(
        self,
        x: Any,
        y: ArrayLike | None,
        image_data_generator: Augments | None,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: ArrayLike | None = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        misc: list[Array] = []
        # A pair (images, misc), and not a list of two images, whose first would have rank 3.
        if isinstance(x, (tuple, list)) and len(x) == 2 and np.ndim(x[0]) == 4:
            others = x[1] if isinstance(x[1], list) else [x[1]]
            x, misc = x[0], [np.asarray(other) for other in others]
        images = np.asarray(x)
        for other in misc:
            if len(other) != len(images):
                raise ValueError(
                    "All of the arrays in `x` should have the same length. Found a pair with: "
                    f"len(x[0]) = {len(images)}, len(x[?]) = {len(other)}"
                )
        if sample_weight is not None and y is None:
            warn("NumpyArrayIterator: sample_weight has no effect without y")
        labels, weights = _rows("y` (labels)", y, images), _rows("sample_weight", sample_weight, images)
        if subset is not None:
            kept = _subset(parts(subset, image_data_generator), len(images), labels)
            images, misc = images[kept], [other[kept] for other in misc]
            labels, weights = (None if part is None else part[kept] for part in (labels, weights))
        if images.ndim != 4:
            raise ValueError(
                f"Input data in `NumpyArrayIterator` should have rank 4. You passed an array with shape {images.shape}"
            )
        if image_data_generator is not None and image_data_generator.mixes and (y is None or misc):
            raise ValueError("NumpyArrayIterator: MixUp and CutMix need y, and an x that has only images")
        self.data_format = checked_format(data_format)
        warn_of_channels("NumpyArrayIterator is set to use images", images.shape, self.data_format)
        self.x = images
        self.x_misc = misc
        self.y = labels
        self.sample_weight = weights
        self.image_data_generator = image_data_generator
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        self.dtype = config.floatx() if dtype is None else dtype
        super().__init__(len(images), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        batch = in_pool(np.empty, (len(index_array), *self.x.shape[1:]), self.dtype)
        draws = self.draws()
        fill(batch, (self.x[j] for j in index_array), index_array, self.image_data_generator, draws)
        y = None if self.y is None else self.y[index_array]
        weights = None if self.sample_weight is None else self.sample_weight[index_array]
        if y is not None:
            y, weights = mix(batch, y, weights, index_array, self.image_data_generator, draws)
        if self.save_to_dir is not None:
            save_batch(batch, index_array, self)
        x = [batch, *(other[index_array] for other in self.x_misc)] if self.x_misc else batch
        if y is None:
            return x
        return (x, y) if weights is None else (x, y, weights)


def _rows(name: str, part: ArrayLike | None, images: Array) -> Array | None:
    """A part of the data as an array. Raise ValueError unless it has a row for each image."""
    if part is None:
        return None
    array = np.asarray(part)
    if len(array) != len(images):
        raise ValueError(
            f"`x` (images tensor) and `{name}{'' if '`' in name else '`'} should have the same length. "
            f"Found: x.shape = {images.shape}, {name.partition('`')[0]}.shape = {array.shape}"
        )
    return array


def _subset(part: tuple[float, float], samples: int, labels: Array | None) -> slice:
    """The rows of a part.

    Raises:
        ValueError: There are labels, and their classes on the two sides of the split differ, or there is no split.
    """
    start, stop = (int(share * samples) for share in part)
    middle = start or stop
    if labels is not None and middle in (0, samples):
        raise ValueError(f"a subset needs a validation_split that leaves samples on both sides, got {samples} samples, {part}")
    if labels is not None and not np.array_equal(np.unique(labels[:middle]), np.unique(labels[middle:])):
        raise ValueError(
            "Training and validation subsets have different number of classes after the split. If your numpy arrays are sorted "
            "by the label, you might want to shuffle them."
        )
    return slice(start, stop)
