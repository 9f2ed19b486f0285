"""Normalization of images, and the statistics of the data that it needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella.core import config
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.preprocessing.image.formats import warn_of_channels
from lamella.preprocessing.image.transforms import RandomTransforms


class Normalization(RandomTransforms):
    """What ImageDataGenerator does to images after it has changed them; its constructor sets the attributes, see there.

    Attributes:
        mean: Of the data, as `fit` finds it or as the user sets it; None: not known.
        std: The standard deviation likewise.
        principal_components: [H * W * C, H * W * C], of ZCA.
    """

    featurewise_center: bool
    samplewise_center: bool
    featurewise_std_normalization: bool
    samplewise_std_normalization: bool
    zca_whitening: bool
    zca_epsilon: float
    rescale: float | None
    preprocessing_function: Callable[[Array], ArrayLike] | None
    data_format: str
    dtype: DTypeLike
    mean: Array | None = None
    std: Array | None = None
    principal_components: Array | None = None

    def standardize(self, x: Array) -> Array:
        """x normalized, in place if it is of a floating dtype and no function of the user's returns another array.

        Args:
            x: One image, rank 3. A batch counts as one large image in the samplewise statistics, as in Keras.

        Deviation:  Integers become floats; in Keras they raise an error.
        """
        if self.preprocessing_function is not None:
            x = np.asarray(self.preprocessing_function(x))
        return self.normalize(x)

    def normalize(self, x: Array) -> Array:
        """What `standardize` does after the user's function."""
        changes = (
            self.rescale or self.samplewise_center or self.samplewise_std_normalization or self.featurewise_center
            or self.featurewise_std_normalization or self.zca_whitening
        )  # fmt: skip
        if not changes:
            return x
        if x.dtype.kind != "f":
            x = x.astype(config.floatx())
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= x.mean()
        if self.samplewise_std_normalization:
            x /= x.std() + 1e-6
        if (mean := self.fitted("featurewise_center", self.mean)) is not None:
            x -= mean
        if (std := self.fitted("featurewise_std_normalization", self.std)) is not None:
            x /= std + 1e-6
        if (components := self.fitted("zca_whitening", self.principal_components)) is not None:
            x = (x.reshape(-1, np.prod(x.shape[-3:])) @ components).reshape(x.shape)
        return x

    def fitted(self, what: str, statistic: Array | None) -> Array | None:
        """The statistic that an argument of the constructor asks for; None, with a warning, if it is not there yet."""
        if not getattr(self, what):
            return None
        if statistic is None:
            warn(
                f"This ImageDataGenerator specifies `{what}`, but it hasn't been fit on any training data. Fit it first by "
                "calling `.fit(numpy_data)`."
            )
        return statistic

    def of_channels(self, what: str, statistic: Array | None, shape: tuple[int, ...]) -> Array | None:
        """A statistic of the data with channels last: one number for each channel, or for each number of an image."""
        statistic = self.fitted(what, statistic)
        if statistic is None:
            return None
        axis = self.channel_axis - 1
        if np.shape(statistic) == tuple(length if i == axis else 1 for i, length in enumerate(shape)):  # as `fit` makes it
            return statistic.reshape(-1)
        return np.moveaxis(np.broadcast_to(statistic, shape), axis, 2)

    def fit(self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Take the statistics of the data that featurewise normalization and ZCA whitening need: `mean`, `std` and
        `principal_components`.

        Args:
            x: [N, H, W, C], or [N, C, H, W] for channels_first; stays as it is.
            augment: Whether to take them of images that are changed at random.
            rounds: How many times each image is changed then.
            seed: Of these changes.

        Raises:
            ValueError: For another rank.

        Deviation:  `rescale` comes first, as keras-preprocessing has it from 1.1.1 on: else the statistics are of other values
            than those that they are applied to. Sums are taken in float64. NumPy's global state stays as it is.
        """
        data = np.array(x, dtype=self.dtype)
        if data.ndim != 4:
            raise ValueError(f"Input to `.fit()` should have rank 4. Got array with shape: {data.shape}")
        warn_of_channels("Expected input to be images (as Numpy array)", data.shape, self.data_format)
        if self.rescale:
            data *= self.rescale
        if augment:
            draws = np.random if seed is None else np.random.RandomState(seed)
            changed = np.empty((rounds * len(data), *data.shape[1:]), self.dtype)
            for i in range(len(changed)):
                image = data[i % len(data)]
                changed[i] = self.apply_transform(image, self.draw_transform(image.shape, draws))
            data = changed
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = data.mean(axes, dtype=np.float64, keepdims=True)[0].astype(self.dtype)
            data -= self.mean
        if self.featurewise_std_normalization:
            self.std = data.std(axes, dtype=np.float64, keepdims=True)[0].astype(self.dtype)
            data /= self.std + 1e-6
        if self.zca_whitening:
            flat = data.reshape(len(data), -1).astype(np.float64)
            vectors, variances, _ = np.linalg.svd(flat.T @ flat / len(flat))
            whitening = (vectors / np.sqrt(variances + self.zca_epsilon)) @ vectors.T
            self.principal_components = whitening.astype(self.dtype)
