"""ImageDataGenerator: random changes and normalization of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from lamella.core import config
from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.preprocessing.image.array_iterator import NumpyArrayIterator
from lamella.preprocessing.image.augmentation import Augmentation
from lamella.preprocessing.image.dataframe_iterator import DataFrameIterator
from lamella.preprocessing.image.directory_iterator import DirectoryIterator
from lamella.preprocessing.image.formats import checked_format
from lamella.preprocessing.image.generator_arguments import check_arguments
from lamella.preprocessing.image.loading import ColorMode
from lamella.preprocessing.image.reading import FileOptions
from lamella.preprocessing.image.transforms import ShiftRange

_DEPRECATED = {
    "has_ext": "filenames in the dataframe have to match the exact filenames in disk.",
    "sort": "batches will be created in the same order than the filenames provided if shuffle is set to False.",
    "drop_duplicates": "you can drop duplicates by using the pandas.DataFrame.drop_duplicates method.",
}


class ImageDataGenerator(Augmentation):
    """Makes batches of images that are changed at random and normalized.

    The steps for each image, in this order: one affine transformation (rotation, shift, shear and zoom around the centre), channel
    shift, flips, brightness; then `standardize`: preprocessing_function, rescale, samplewise, featurewise, ZCA.

    Args:
        featurewise_center: Whether to subtract the mean of the data; needs `fit`.
        samplewise_center: Whether to subtract the mean of each image.
        featurewise_std_normalization: Whether to divide by the standard deviation of the data; needs `fit`.
        samplewise_std_normalization: Whether to divide by the standard deviation of each image.
        zca_whitening: Whether to apply ZCA whitening; needs `fit`.
        zca_epsilon: Is added to the variances of ZCA.
        rotation_range: The largest angle, in degrees.
        width_shift_range: A float below 1: the largest shift as a fraction of the width. Another float: the largest shift in
            pixels. An integer n: whole pixels from -(n - 1) to n - 1. A list: one of its values, with a random sign.
        height_shift_range: The same for the height.
        brightness_range: (smallest, largest) factor.
        shear_range: The largest angle, in degrees.
        zoom_range: (smallest, largest) factor, or z for (1 - z, 1 + z). Rows and columns each have their own factor.
        channel_shift_range: The largest number that is added to all values.
        fill_mode: The pixels outside of the image: "nearest", "constant" (cval), "reflect" or "wrap".
        cval: The value for "constant".
        horizontal_flip: Whether half of the images are flipped left to right.
        vertical_flip: Whether half of the images are flipped top to bottom.
        rescale: A factor. None or 0: no factor.
        preprocessing_function: A function from one image to another of the same shape, or with 1 channel.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        validation_split: The fraction of the samples (of each class) in subset="validation", which are the first ones.
        dtype: Dtype of the batches. None means floatx().
        interpolation_order: 0 for the nearest pixel, 1 for linear, 3 for cubic.
        erasing_probability: The probability that a random rectangle of an image, 2 to 40 % of its area, becomes 0 after
            normalization.
        mixup_alpha: alpha of MixUp: each image is mixed with the next one of its batch, share * own + (1 - share) * next with
            share ~ Beta(alpha, alpha), and y and sample weights in the same way. 0: no MixUp.
        cutmix_alpha: alpha of CutMix: a rectangle of the next image, with a fraction of 1 - share of the area, replaces that part
            of the image. 0: no CutMix. If both are given, each image gets one of the two at random. y must have values that can
            be mixed, for example one-hot.

    Raises:
        ValueError: An argument is not one of the values above, or outside of its range.

    Example:
        >>> from lamella.preprocessing.image import ImageDataGenerator
        >>> generator = ImageDataGenerator(rotation_range=15, horizontal_flip=True, rescale=1 / 255)
        >>> generator.flow([[[[0], [255]]]], batch_size=1)[0].shape
        (1, 1, 2, 1)

    Source: keras-preprocessing 1.1.0. `interpolation_order` must be named, because the signature of Keras 2.2.5 does not have it.

    Deviations: brightness keeps the scale of the values. `fit` applies `rescale` first, as keras-preprocessing 1.1.1 and later.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: ShiftRange = 0.0,
        height_shift_range: ShiftRange = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Array], ArrayLike] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        dtype: DTypeLike | None = None,
        *,
        interpolation_order: int = 1,
        erasing_probability: float = 0.0,
        mixup_alpha: float = 0.0,
        cutmix_alpha: float = 0.0,
    ) -> None:
        self.data_format = checked_format(data_format)
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.zoom_range = _two_factors(zoom_range)
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.validation_split = validation_split
        self.dtype = config.floatx() if dtype is None else dtype
        self.interpolation_order = interpolation_order
        self.erasing_probability = erasing_probability
        self.mixup_alpha = mixup_alpha
        self.cutmix_alpha = cutmix_alpha
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self.mean = self.std = self.principal_components = None
        check_arguments(vars(self))
        self._apply_implied_options()

    def _apply_implied_options(self) -> None:
        """Set the options that other options imply, each with a warning."""
        if self.zca_whitening:
            if not self.featurewise_center:
                self.featurewise_center = True
                warn("This ImageDataGenerator specifies `zca_whitening`, which overrides setting of `featurewise_center`.")
            if self.featurewise_std_normalization:
                self.featurewise_std_normalization = False
                warn(
                    "This ImageDataGenerator specifies `zca_whitening` which overrides setting of`featurewise_std_normalization`."
                )
        for kind in ("featurewise", "samplewise"):
            if getattr(self, f"{kind}_std_normalization") and not getattr(self, f"{kind}_center"):
                setattr(self, f"{kind}_center", True)
                warn(
                    f"This ImageDataGenerator specifies `{kind}_std_normalization`, which overrides setting of `{kind}_center`."
                )

    def flow(
        self,
        x: Any,
        y: ArrayLike | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: ArrayLike | None = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of arrays, see `NumpyArrayIterator`."""
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            dtype=self.dtype,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: Sequence[int] = (256, 256),
        color_mode: ColorMode = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        **options: Unpack[FileOptions],
    ) -> DirectoryIterator:
        """Batches of images from a folder that has a folder for each class, see `DirectoryIterator`."""
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            **options,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: str | Sequence[str] = "class",
        weight_col: str | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: ColorMode = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of images that are listed in a pandas.DataFrame, see `DataFrameIterator`, also for the arguments.

        Args:
            kwargs: FileOptions; also `has_ext`, `sort` and `drop_duplicates`, which are deprecated and have no effect.
        """
        for name, advice in _DEPRECATED.items():
            if name in kwargs:
                del kwargs[name]
                warn(f"{name} is deprecated, {advice}", DeprecationWarning)
        if class_mode == "other":
            warn('`class_mode` "other" is deprecated, please use `class_mode` "raw".', DeprecationWarning)
            class_mode = "raw"
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
            **kwargs,
        )


def _two_factors(zoom_range: float | Sequence[float]) -> list[float]:
    if np.ndim(zoom_range) == 0 and not isinstance(zoom_range, str):
        return [1 - zoom_range, 1 + zoom_range]  # type: ignore[operator]  # a number
    if np.ndim(zoom_range) == 1 and len(zoom_range) == 2:  # type: ignore[arg-type]
        return list(zoom_range)  # type: ignore[arg-type]
    raise ValueError(f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom_range}")
