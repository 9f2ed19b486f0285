"""FileIterator: batches of images that are read from files when a batch needs them."""

from __future__ import annotations

from collections.abc import Iterator as Iterates
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import DTypeLike

from lamella.core import config
from lamella.core.pool import in_pool
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.data.sequence import ReducedItem
from lamella.preprocessing.image.augment import Augments, fill, mix, parts
from lamella.preprocessing.image.draws import SampleDraws
from lamella.preprocessing.image.formats import checked_format
from lamella.preprocessing.image.iterators import Iterator
from lamella.preprocessing.image.loading import ColorMode, height_and_width, is_file_error
from lamella.preprocessing.image.reading import FileOptions, Reader, check_options
from lamella.preprocessing.image.saved import save_batch

_CHANNELS = {"grayscale": 1, "grayscale16": 1, "rgb": 3, "rgba": 4}


class FileIterator(Iterator):
    """Base class of DirectoryIterator and DataFrameIterator, which set filepaths, labels, sample_weight and class_indices.

    Attributes:
        filepaths: The path of each sample.
        labels: For each sample, the values from which its y is made.
        sample_weight: [samples] or None.
        image_shape: Shape of one image in a batch.
        samples: The number of samples.
    """

    filepaths: list[str]
    labels: Any
    sample_weight: Array | None = None
    class_indices: dict[str, int]
    allowed_class_modes: frozenset[str | None]

    def _set_reading(
        self,
        image_data_generator: Augments | None,
        target_size: Sequence[int],
        color_mode: ColorMode,
        class_mode: str | None,
        data_format: str | None,
        save_to_dir: str | None,
        save_prefix: str,
        save_format: str,
        subset: str | None,
        interpolation: str,
        dtype: DTypeLike | None,
        **options: Unpack[FileOptions],
    ) -> None:
        """Set the attributes that do not depend on the list of files.

        The constructor of a subclass calls it first, then lists its files, then calls Iterator's constructor with their number.

        Raises:
            TypeError: FileOptions does not have an option.
            ValueError: The class_mode, color_mode, subset or the value of an option is unknown.
        """
        if color_mode not in _CHANNELS:
            raise ValueError(f'Invalid color mode: {color_mode}; expected "rgb", "rgba", "grayscale" or "grayscale16".')
        if class_mode not in self.allowed_class_modes:
            allowed = sorted(self.allowed_class_modes, key=str)
            raise ValueError(f"Invalid class_mode: {class_mode}; expected one of: {allowed}")
        check_options(type(self).__name__, options)
        self.on_error = options.get("on_error", "raise")
        if image_data_generator is not None and image_data_generator.mixes and class_mode in (None, "sparse"):
            raise ValueError(
                f"{type(self).__name__}: MixUp and CutMix need values of y that can be mixed, got class_mode={class_mode!r}"
            )
        self.image_data_generator = image_data_generator
        self.target_size = height_and_width(type(self).__name__, target_size)
        self.color_mode: ColorMode = color_mode
        self.class_mode = class_mode
        self.data_format = checked_format(data_format)
        channels = (_CHANNELS[color_mode],)
        first = self.data_format == "channels_first"
        self.image_shape = channels + self.target_size if first else self.target_size + channels
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        self.interpolation = interpolation
        self.subset = subset
        # The fractions of the files where the subset begins and ends; None for all.
        self.split = None if subset is None else parts(subset, image_data_generator)
        self.dtype = config.floatx() if dtype is None else dtype
        self.reader = Reader(color_mode, self.target_size, interpolation, self.data_format, options)

    @property
    def classes(self) -> Any:
        """`labels` under the name of Keras, which scripts also set."""
        if self.class_mode in ("raw", "multi_output"):
            raise AttributeError(
                f"{type(self).__name__}: with class_mode={self.class_mode!r} there are no classes, only labels"
            )
        return self.labels

    @classes.setter
    def classes(self, labels: Any) -> None:
        self.labels = labels

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        batch = in_pool(np.empty, (len(index_array), *self.image_shape), self.dtype)
        read: list[int] = []
        skipped: list[str] = []
        draws = self.draws()
        fill(batch, self._images(index_array, read, skipped), read, self.image_data_generator, draws)
        samples = np.array(read, np.intp)
        batch = batch[: len(samples)]
        item = self._with_targets(batch, samples, draws)
        if self.save_to_dir is not None:
            save_batch(batch, samples, self)
        if self.on_error != "raise" and isinstance(item, tuple):
            return ReducedItem.of(item, len(samples), tuple(skipped))
        if skipped:  # x alone, for predict, which has no logs
            warn(f"{type(self).__name__}, on_error={self.on_error!r}: {'; '.join(skipped)}")
        return item

    def _images(self, samples: Array, read: list[int], skipped: list[str]) -> Iterates[Array]:
        """The images that can be read, and blank ones for the others if requested.

        Their samples are appended to `read`, and the errors of files that cannot be read to `skipped`.
        """
        numbers = samples.tolist()
        paths = [self.filepaths[sample] for sample in numbers]
        for sample, path, image in zip(numbers, paths, self.reader.each(paths)):
            if not isinstance(image, Exception):
                read.append(sample)
                yield image
            elif self.on_error == "raise" or not is_file_error(image):
                try:
                    raise image
                finally:
                    del image  # the traceback refers to this frame
            else:
                skipped.append(_message(path, image))
                if self.on_error == "blank":
                    read.append(sample)
                    yield np.zeros(self.image_shape, np.uint16 if self.color_mode == "grayscale16" else np.uint8)

    def _with_targets(self, batch: Array, samples: Array, draws: SampleDraws) -> Any:
        """x, (x, y) or (x, y, sample_weight)."""
        if self.class_mode is None:
            return batch
        weights = None if self.sample_weight is None else self.sample_weight[samples]
        y = batch if self.class_mode == "input" else self._targets(samples)
        mixed, weights = mix(batch, y, weights, samples, self.image_data_generator, draws)
        y = batch.copy() if self.class_mode == "input" else mixed
        return (batch, y) if weights is None else (batch, y, weights)

    def _targets(self, samples: Array) -> Any:
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.labels[j] for j in samples], self.dtype)
        one_hot = np.zeros((len(samples), len(self.class_indices)), self.dtype)
        if isinstance(self.labels, np.ndarray):
            one_hot[np.arange(len(samples)), self.labels[samples]] = 1
            return one_hot
        for row, j in zip(one_hot, samples):
            row[self.labels[j]] = 1
        return one_hot


def _message(path: str, error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if path in text else f"{path}: {text}"
