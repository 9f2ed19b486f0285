"""image_dataset_from_directory of Keras 3. It lists and reads files as DirectoryIterator does."""

from __future__ import annotations

import os
from collections.abc import Iterator as Iterates
from collections.abc import Sequence
from typing import Any, Literal, Unpack

import numpy as np

from lamella.core.types import Array
from lamella.preprocessing.image import listing
from lamella.preprocessing.image.draws import order_of_samples
from lamella.preprocessing.image.file_iterator import FileIterator
from lamella.preprocessing.image.loading import ColorMode
from lamella.preprocessing.image.reading import FileOptions

_EXTENSIONS = ("bmp", "gif", "jpeg", "jpg", "png")
# TensorFlow's names of the resampling methods, with the names of Pillow.
_INTERPOLATIONS = {
    "bilinear": "bilinear",
    "nearest": "nearest",
    "bicubic": "bicubic",
    "area": "box",
    "lanczos3": "lanczos",
    "lanczos5": "lanczos",
}
LabelMode = Literal["int", "categorical", "binary"]


class ImageDataset(FileIterator):
    """The result of image_dataset_from_directory: batches of unchanged images with labels. An iteration is one pass.

    Attributes:
        file_paths: The path of each sample. `filepaths` is the same.
        class_names: The names of the classes, in the order of their numbers; None without labels.
        labels: The class number of each sample; None without labels.
    """

    allowed_class_modes = frozenset({"int", "categorical", "binary", None})

    def __init__(
        self,
        paths: list[str],
        labels: Array | None,
        class_names: list[str] | None,
        label_mode: LabelMode | None,
        color_mode: ColorMode,
        batch_size: int,
        image_size: tuple[int, int],
        shuffle: bool,
        seed: int | None,
        interpolation: str,
        data_format: str | None,
        **options: Unpack[FileOptions],
    ) -> None:
        self._set_reading(
            None,
            image_size,
            color_mode,
            label_mode,
            data_format,
            None,
            "",
            "png",
            None,
            interpolation,
            None,
            **options,
        )
        self.filepaths = self.file_paths = paths
        self.labels = labels
        self.class_names = class_names
        self.class_indices = {name: number for number, name in enumerate(class_names or [])}
        self.samples = len(paths)
        super().__init__(len(paths), batch_size, shuffle, seed)

    def __iter__(self) -> Iterates[Any]:
        """The batches of one pass, after which the next one begins. In contrast to other iterators of images it ends."""
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def _targets(self, samples: Array) -> Array:
        chosen: Array = self.labels[samples]
        if self.class_mode == "int":
            return chosen
        if self.class_mode == "binary":
            return chosen.astype(np.float32)[:, np.newaxis]
        return np.eye(len(self.class_indices), dtype=np.float32)[chosen]


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: LabelMode | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: ColorMode = "rgb",
    batch_size: int | None = 32,
    image_size: Sequence[int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
    **options: Unpack[FileOptions],
) -> Any:
    """Batches of the images in a folder, as in Keras 3: float32, 0 to 255, for fit, evaluate and predict.

    Args:
        directory: The folder. With labels="inferred" it has a folder for each class.
        labels: "inferred"; the label of each file, in the order of the paths; or None for images without labels.
        label_mode: "int": int32 [N]. "categorical": one-hot, float32 [N, classes]. "binary": float32 [N, 1]. None: no labels.
        class_names: The names of all class folders, in the order of their numbers. None means sorted.
        color_mode: "rgb", "rgba", "grayscale", or "grayscale16".
        batch_size: Images in a batch. None means all images.
        image_size: (height, width).
        shuffle: Whether the order is random, in each pass and before the split; otherwise it is the order of the paths.
        seed: Seed of the order. It is required with validation_split and shuffle, so that both subsets split the same order.
        validation_split: The fraction of the files for validation, which are the last ones of the order.
        subset: "training", "validation" or "both".
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3", or "lanczos5" (the same as "lanczos3").
        follow_links: Whether folders that are links are searched.
        crop_to_aspect_ratio: Whether to crop each image to its largest centred part with the aspect ratio of image_size.
        pad_to_aspect_ratio: Whether to centre the whole image on black.
        data_format: "channels_last" or "channels_first". None means image_data_format().
        verbose: Whether to print the number of files.
        options: See FileOptions.

    Returns:
        An ImageDataset, which is a Sequence. For subset="both" a list of two, for training and for validation.

    Raises:
        ValueError: Arguments contradict each other, a folder has no images, or the number of labels is not the number of files.

    Source: Keras 3.15, which returns a dataset of TensorFlow.

    Deviations: Pillow resizes, so "bilinear" and "bicubic" are smooth when an image becomes smaller. The order for a seed differs
        from Keras. With batch_size=None Keras returns single samples without a batch axis.
    """
    _check(labels, label_mode, class_names, shuffle, seed, validation_split, subset)
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"expected interpolation to be one of {', '.join(_INTERPOLATIONS)}, got {interpolation!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`.")
    root = os.fspath(directory)
    paths, numbers, names = _listed(root, labels, class_names, follow_links)
    if label_mode == "binary" and len(names or []) != 2:
        raise ValueError(
            f'When passing `label_mode="binary"`, there must be exactly 2 class_names. Received: class_names={names}'
        )
    if label_mode == "categorical" and numbers is not None and names is not None and numbers.max(initial=0) >= len(names):
        raise ValueError(
            f'label_mode="categorical": expected labels from 0 to {len(names) - 1}, as there are {len(names)} different ones, '
            f"got {numbers.max()}"
        )
    if not paths:
        raise ValueError(f"No images found in directory {root}. Allowed formats: {_EXTENSIONS}")
    if verbose:
        print(f"Found {len(paths)} files{'' if names is None else f' belonging to {len(names)} classes'}.")
    height, width = image_size
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        options["keep_aspect_ratio"] = "pad" if pad_to_aspect_ratio else True

    def dataset(chosen: Array) -> ImageDataset:
        return ImageDataset(
            [paths[i] for i in chosen],
            None if numbers is None else numbers[chosen],
            names,
            None if labels is None else label_mode,
            color_mode,
            max(len(chosen), 1) if batch_size is None else batch_size,
            (height, width),
            shuffle,
            seed,
            _INTERPOLATIONS[interpolation],
            data_format,
            **options,
        )

    if validation_split is None:
        return dataset(np.arange(len(paths)))
    # Only a split needs the order here. Each pass over a dataset draws its own order.
    order = order_of_samples(len(paths), (seed or 0) % 2**64, 0, shuffle=shuffle)
    datasets = [dataset(part) for part in _parts(order, validation_split, str(subset), root, verbose)]
    return datasets if subset == "both" else datasets[0]


def _parts(order: Array, share: float, subset: str, root: str, verbose: bool) -> list[Array]:
    """The files of each part that `subset` names."""
    held_out = int(share * len(order))
    parts = {"training": order[: len(order) - held_out], "validation": order[len(order) - held_out :]}
    wanted = ["training", "validation"] if subset == "both" else [subset]
    for part in wanted:
        if not len(parts[part]):
            raise ValueError(
                f"No images found for the subset {part!r} of {root}: {len(order)} files, {held_out} for validation"
            )
        if verbose:
            print(f"Using {len(parts[part])} files for {part}.")
    return [parts[part] for part in wanted]


def _check(
    labels: object, label_mode: object, class_names: object, shuffle: bool, seed: int | None, share: Any, subset: object
) -> None:
    """Raise ValueError for arguments that contradict each other, with Keras's messages."""
    if labels not in ("inferred", None) if not isinstance(labels, (list, tuple, np.ndarray)) else False:
        raise ValueError(
            "`labels` argument should be a list/tuple of integer labels, of the same size as the number of image files in the "
            f"target directory. If you wish to infer the labels from the subdirectory names in the target directory, pass "
            f'`labels="inferred"`. If you wish to get a dataset that only contains images (no labels), pass `labels=None`. '
            f"Received: labels={labels}"
        )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f'`label_mode` argument must be one of "int", "categorical", "binary", or None. Received: label_mode={label_mode}'
        )
    if class_names and labels != "inferred":
        raise ValueError('You can only pass `class_names` if `labels="inferred"`')
    if share is None:
        if subset is not None:
            raise ValueError(f"If `subset` is set, `validation_split` must be set. Received: subset={subset}")
        return
    if not 0 < share < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received: {share}")
    if subset not in ("training", "validation", "both"):
        raise ValueError(f'`subset` must be either "training", "validation" or "both", received: {subset}')
    if shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make sure that there is no "
            "overlap between the training and validation subset."
        )


def _listed(
    root: str, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[str], Array | None, list[str] | None]:
    """The paths, their labels, and the names of the classes."""

    def files(folder: str) -> list[str]:
        found = listing.image_files(folder, _EXTENSIONS, follow_links=follow_links, on_error=listing.raise_error)
        return [os.path.join(folder, name) for name in found]

    if labels is None or not isinstance(labels, str):
        paths = files(root)
        if labels is None:
            return paths, None, None
        if len(labels) != len(paths):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the target directory. "
                f"len(labels) is {len(labels)} while we found {len(paths)} files in directory {root}."
            )
        numbers = np.asarray(labels, np.int32)
        return paths, numbers, [str(label) for label in sorted(set(numbers.tolist()))]
    names = listing.subfolders(root)
    if class_names is not None:
        if set(class_names) != set(names):
            raise ValueError(
                "The `class_names` passed did not match the names of the subdirectories of the target directory. "
                f"Expected: {names}, but received: {list(class_names)}"
            )
        names = list(class_names)
    by_class = [files(os.path.join(root, name)) for name in names]
    numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(paths) for paths in by_class])
    return [path for paths in by_class for path in paths], numbers, names
