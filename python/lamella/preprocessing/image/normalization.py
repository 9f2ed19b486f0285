"""Normalization of images, and the statistics of the data for it."""

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
    """The normalization of ImageDataGenerator, after the random changes. Its constructor sets and describes other attributes.

    Attributes:
        mean: The mean of the data, which `fit` or the user sets; None if unknown.
        std: The standard deviation of the data, set in the same way.
        principal_components: The matrix of ZCA, [H * W * C, H * W * C], set in the same way.
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
        """x normalized, in place if its dtype is floating and preprocessing_function does not return another array.

        Args:
            x: One image, rank 3. As in Keras, samplewise statistics of a batch are those of the whole batch.

        Deviation: integers become floats; in Keras they raise an error.
        """
        return self.normalize(x if self.preprocessing_function is None else self.preprocessed(x))

    def preprocessed(self, x: Array) -> Array:
        """The result of preprocessing_function for x, an image.

        Raises:
            ValueError: It is not an array of numbers of the image's rank whose axes have the image's sizes or 1, for example one
                grey channel. An array of a lower rank would be repeated along the wrong axes.
        """
        assert self.preprocessing_function is not None
        y = np.asarray(self.preprocessing_function(x))
        got = f"an array of shape {y.shape}" if y.dtype.kind in "biuf" else f"the type {type(y.tolist()).__name__}"
        if y.dtype.kind not in "biuf" or y.ndim != x.ndim or any(n not in (1, size) for n, size in zip(y.shape, x.shape)):
            raise ValueError(
                f"{type(self).__name__}: expected preprocessing_function to return an image of shape {x.shape}, got {got}"
            )
        return y

    def normalize(self, x: Array) -> Array:
        """The steps of `standardize` after preprocessing_function."""
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
        """A statistic if the constructor's argument `what` is set; None if not, and None with a warning if it is not known yet."""
        if not getattr(self, what):
            return None
        if statistic is None:
            warn(
                f"This ImageDataGenerator specifies `{what}`, but it hasn't been fit on any training data. Fit it first by "
                "calling `.fit(numpy_data)`."
            )
        return statistic

    def of_channels(self, what: str, statistic: Array | None, shape: tuple[int, ...]) -> Array | None:
        """A statistic of images of this shape as `fitted` returns it, with channels last.

        It is a number for each channel, or for each number of an image.
        """
        statistic = self.fitted(what, statistic)
        if statistic is None:
            return None
        axis = self.channel_axis - 1
        if np.shape(statistic) == tuple(length if i == axis else 1 for i, length in enumerate(shape)):  # the shape from `fit`
            return statistic.reshape(-1)
        return np.moveaxis(np.broadcast_to(statistic, shape), axis, 2)

    def fit(self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Compute the statistics for featurewise normalization and ZCA whitening: `mean`, `std` and `principal_components`.

        Args:
            x: [N, H, W, C], or [N, C, H, W] for channels_first. It is not changed.
            augment: Whether to use images that are changed at random.
            rounds: The number of random changes of each image.
            seed: Seed of these changes.

        Raises:
            ValueError: x does not have rank 4.

        Deviation: `rescale` is applied first, as in keras-preprocessing 1.1.1 and later, because the statistics are applied to
            rescaled values. Sums are computed in float64. NumPy's global state is not changed.
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
