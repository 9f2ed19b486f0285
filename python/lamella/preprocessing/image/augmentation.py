"""Augmentation: the changes that an ImageDataGenerator makes to a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image.affine import IDENTITY, affine_matrix
from lamella.preprocessing.image.batch import UNCHANGED, Standardization, augment_batch, standardize_batch
from lamella.preprocessing.image.draws import SampleDraws
from lamella.preprocessing.image.mixing import erase, mix
from lamella.preprocessing.image.normalization import Normalization
from lamella.preprocessing.image.pixels import WHITE

# The parameters of a transform that move pixels: the arguments of affine_matrix.
_AFFINE = ("theta", "tx", "ty", "shear", "zx", "zy")


class Augmentation(Normalization):
    """The part of ImageDataGenerator that iterators call, see Augments. ImageDataGenerator's constructor sets the attributes."""

    erasing_probability: float
    mixup_alpha: float
    cutmix_alpha: float

    def fill(self, out: Array, images: Iterable[Array], samples: Iterable[int], draws: SampleDraws) -> None:
        """See `lamella.preprocessing.image.augment.Augments.fill`.

        One kernel makes the batch, unless a subclass or a script replaces methods, which are called for each image.
        """
        numbers: list[int] = []
        changed = any(self._overrides(method) for method in ("apply_transform", "standardize", "normalize"))
        if changed or np.dtype(out.dtype) not in (np.float32, np.float64):
            for place, image, sample in zip(out, images, samples):
                parameters = self._parameters(image.shape, draws.of(sample))
                place[...] = self.standardize(self.apply_transform(image.astype(out.dtype), parameters))
                numbers.append(sample)
        else:
            given = list(images)
            numbers = list(samples)
            if given:
                drawn: list[dict[str, Any]] = [{}] * len(given)
                if not self.keeps_pixels() or self._overrides("get_random_transform") or self._overrides("draw_transform"):
                    drawn = [self._parameters(image.shape, draws.of(sample)) for image, sample in zip(given, numbers)]
                self._fill_in_one_call(out[: len(given)], given, drawn)
        if self.erasing_probability:
            erase(out, numbers, draws, self.erasing_probability, channels_first=self.data_format == "channels_first")

    @property
    def mixes(self) -> bool:
        """See Augments."""
        return bool(self.mixup_alpha or self.cutmix_alpha)

    def mix(self, batch: Array, parts: Sequence[Array], samples: Iterable[int], draws: SampleDraws) -> list[Array]:
        """See `lamella.preprocessing.image.augment.Augments.mix`."""
        first = self.data_format == "channels_first"
        return mix(batch, parts, samples, draws, self.mixup_alpha, self.cutmix_alpha, channels_first=first)

    def _fill_in_one_call(self, out: Array, images: list[Array], drawn: list[dict[str, Any]]) -> None:
        """Do the work of apply_transform and standardize for all images in one call."""
        first = self.data_format == "channels_first"
        batch = np.empty_like(np.moveaxis(out, 1, 3), order="C") if first else out
        shape = out.shape[1:]
        rows, columns = images[0].shape[self.row_axis - 1], images[0].shape[self.col_axis - 1]
        matrices = np.empty((len(images), 2, 3))
        matrices[:] = IDENTITY
        for matrix, parameters in zip(matrices, drawn):
            if parameters:
                matrix[:] = affine_matrix(rows, columns, **{name: parameters[name] for name in _AFFINE if name in parameters})
        shifts = [p.get("channel_shift_intensity") for p in drawn]
        factors = [p.get("brightness") for p in drawn]
        function = self.preprocessing_function
        standardization = Standardization(
            self.rescale or None,
            self.samplewise_center,
            self.samplewise_std_normalization,
            self.of_channels("featurewise_center", self.mean, shape),
            self.of_channels("featurewise_std_normalization", self.std, shape),
        )
        augment_batch(
            [np.moveaxis(image, 0, 2) for image in images] if first else images,
            matrices,
            batch,
            order=self.interpolation_order,
            fill_mode=self.fill_mode,
            cval=self.cval,
            channel_shifts=None if set(shifts) == {None} else [shift or 0.0 for shift in shifts],
            flips=[(bool(p.get("flip_vertical")), bool(p.get("flip_horizontal"))) for p in drawn],
            brightness=None if set(factors) == {None} else [1.0 if factor is None else factor for factor in factors],
            white=WHITE,
            standardization=standardization if function is None else UNCHANGED,
        )
        changed = np.moveaxis(batch, 3, 1) if first else batch
        if function is not None:
            for image in changed:
                image[...] = self.preprocessed(image)
            standardize_batch(batch, batch, standardization)
        if first:
            out[...] = changed
        if (components := self.fitted("zca_whitening", self.principal_components)) is not None:
            out[...] = (out.reshape(len(out), -1) @ components).reshape(out.shape)

    def _parameters(self, shape: tuple[int, ...], draws: np.random.Generator) -> dict[str, Any]:
        if self._overrides("get_random_transform"):
            return self.get_random_transform(shape, seed=int(draws.integers(2**32)))
        return self.draw_transform(shape, draws)

    def _overrides(self, method: str) -> bool:
        """Whether a subclass overrides a method, or a script has set it."""
        return method in vars(self) or getattr(type(self), method) is not getattr(Augmentation, method)
