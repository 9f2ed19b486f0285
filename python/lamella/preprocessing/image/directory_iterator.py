"""DirectoryIterator: batches of images from a folder that has a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import DTypeLike

from lamella.core.warn import warn
from lamella.preprocessing.image import listing
from lamella.preprocessing.image.augment import Augments
from lamella.preprocessing.image.file_iterator import FileIterator
from lamella.preprocessing.image.loading import ColorMode
from lamella.preprocessing.image.reading import FileOptions


class DirectoryIterator(FileIterator):
    """Batches (x, y), or x alone, of images in folders.

    Args:
        directory: The folder that has a folder for each class. The images may be in folders below these.
        image_data_generator: The generator that changes and normalizes the images. None leaves them unchanged.
        target_size: (height, width) to which each image is resized.
        color_mode: "rgb", "rgba", "grayscale", or "grayscale16", see load_img.
        classes: The folders to use, in the order of their numbers. None or an empty list means all, sorted.
        class_mode: "categorical": y is one-hot, [samples, classes]. "binary", "sparse": y is the number of the class, [samples].
            "input": y is x. None: no y.
        batch_size: See Iterator.
        shuffle: See Iterator.
        seed: See Iterator.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        save_to_dir: See NumpyArrayIterator.
        save_prefix: See NumpyArrayIterator.
        save_format: See NumpyArrayIterator.
        follow_links: Whether folders that are links are searched.
        subset: "validation": the first files of each class, a fraction that is the generator's validation_split. "training": the
            rest. None: all.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        dtype: Dtype of the batches. None means floatx().
        options: See FileOptions.

    Attributes:
        classes: int32 [samples], the class of each file. `labels` is the same.
        class_indices: The number of each class.
        filenames: Paths relative to the folder.
        filepaths: Paths with the folder.
        samples: The number of samples.
        num_classes: The number of classes.

    Raises:
        OSError: A folder does not exist; or on_error="raise" and a folder below it cannot be read.
        ValueError: The class_mode, color_mode or subset is unknown.

    Source: keras-preprocessing 1.1.0. Deviation: a class without images gives a warning. A folder in `classes` that does not exist
        is an error; in Keras it is a class without images.
    """

    allowed_class_modes = frozenset({"categorical", "binary", "sparse", "input", None})

    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: Augments | None,
        target_size: Sequence[int] = (256, 256),
        color_mode: ColorMode = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: DTypeLike | None = None,
        **options: Unpack[FileOptions],
    ) -> None:
        self._set_reading(
            image_data_generator,
            target_size,
            color_mode,
            class_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            dtype,
            **options,
        )
        self.directory = os.fspath(directory)
        # The order of a set may be another one in the next run.
        given = sorted(classes) if isinstance(classes, (set, frozenset)) else classes
        names = list(given) if given else listing.subfolders(self.directory)
        if len(set(names)) < len(names):
            raise ValueError(f"DirectoryIterator: expected each of the classes once, got {names}")
        if not names:
            warn(
                f"{self.directory} has no folders, but each class needs one; classes=['.'] reads the images in {self.directory} "
                "itself, as one class"
            )
        if class_mode == "binary" and len(names) > 2:
            warn(
                f'class_mode="binary" is for two classes, but {self.directory} has {len(names)}; "sparse" gives the same numbers'
            )
        self.num_classes = len(names)
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.filenames: list[str] = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            files = self._files(name, follow_links)
            self.filenames += files
            numbers += [number] * len(files)
        self.labels = np.array(numbers, np.int32)
        self.samples = len(self.filenames)
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _files(self, name: str, follow_links: bool) -> list[str]:
        """The files of one class that are in the subset, relative to the directory."""
        on_error = listing.raise_error if self.on_error == "raise" else listing.warn_of_error
        folder = os.path.join(self.directory, name)
        files = listing.image_files(folder, self.white_list_formats, follow_links=follow_links, on_error=on_error)
        if not files:
            warn(
                f"the class {name!r} has no images: {folder} has no file with a suffix of {', '.join(self.white_list_formats)}"
            )
        if self.split is not None:
            start, stop = (int(share * len(files)) for share in self.split)
            files = files[start:stop]
        return [os.path.join(name, file) for file in files]
