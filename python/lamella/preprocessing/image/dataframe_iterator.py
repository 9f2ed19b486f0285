"""DataFrameIterator: batches of the images that a table lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import DTypeLike

from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.preprocessing.image.augment import Augments
from lamella.preprocessing.image.file_iterator import FileIterator
from lamella.preprocessing.image.loading import ColorMode
from lamella.preprocessing.image.reading import FileOptions

# The modes in which y is a class. In the others it is the values of columns, or x, or nothing.
_CLASS_MODES = ("categorical", "binary", "sparse")


class DataFrameIterator(FileIterator):
    """Batches (x, y), (x, y, sample_weight), or x alone, of images that are listed in a pandas.DataFrame.

    The arguments that are not listed are those of `DirectoryIterator`.

    Args:
        dataframe: Has a row for each image. It is not changed.
        directory: The folder to which the file names are relative. None: they are paths.
        image_data_generator: The generator that changes and normalizes the images. None leaves them unchanged.
        x_col: The column of file names, which are strings.
        y_col: The column of y, or a list of columns for "raw" and "multi_output".
        weight_col: The column of sample weights, which are numbers.
        classes: The classes to use. None means all, sorted. Rows of other classes are omitted.
        class_mode: "categorical": y is one-hot, [samples, classes]; the column has a string, or a list or tuple of several.
            "binary", "sparse": y is the number of the class, [samples]; the column has strings. "raw": y has the values of the
            columns. "multi_output": a list of y, one for each column in y_col. "input": y is x. None: no y.
        subset: "validation": the first rows, a fraction that is the generator's validation_split. "training": the rest. None: all.
        validate_filenames: Whether to omit, with a warning, rows whose file does not exist or has no known extension.

    Attributes:
        classes: The number of each row's class, or a list of numbers. `labels` is the same.
        labels: Also the values for "raw" and "multi_output", which have no `classes`.
        class_indices: The number of each class.
        filenames: See DirectoryIterator.
        filepaths: See DirectoryIterator.
        samples: See DirectoryIterator.

    Raises:
        TypeError: File names or classes are not strings, or weights or values are not numbers.
        ValueError: The number of classes for "binary" is not 2, or a value is NaN. With another on_error than "raise" rows
            with NaN are omitted, with a warning.

    Source: keras-preprocessing 1.1.0, which passes NaN to the training.
    """

    allowed_class_modes = frozenset({"binary", "categorical", "input", "multi_output", "raw", "sparse", None})

    def __init__(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        image_data_generator: Augments | None = None,
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
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: DTypeLike | None = None,
        validate_filenames: bool = True,
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
        if not (hasattr(dataframe, "columns") and hasattr(dataframe, "iloc")):
            raise TypeError(f"DataFrameIterator: expected a pandas.DataFrame, got {type(dataframe).__name__}")
        self.directory = "" if directory is None else os.fspath(directory)
        self._check_columns(dataframe, x_col, y_col, weight_col, classes)
        rows = self._with_files(dataframe, x_col) if validate_filenames else dataframe
        self.class_indices = {}
        if class_mode in _CLASS_MODES:
            rows, self.class_indices = _with_classes(rows, y_col, classes)
        elif class_mode in ("raw", "multi_output"):
            rows = self._without_nan(rows, x_col, [y_col] if isinstance(y_col, str) else list(y_col))
        if weight_col is not None:
            rows = self._without_nan(rows, x_col, [weight_col])
        if self.split is not None:
            start, stop = (int(share * len(rows)) for share in self.split)
            rows = rows.iloc[start:stop]
        self._set_labels(rows, y_col)
        self.sample_weight = None if weight_col is None else rows[weight_col].to_numpy()
        self.filenames = rows[x_col].tolist()
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.samples = len(self.filenames)
        of_classes = f" belonging to {len(self.class_indices)} classes" if class_mode in _CLASS_MODES else ""
        print(f"Found {self.samples} {'' if validate_filenames else 'non-'}validated image filenames{of_classes}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _set_labels(self, rows: Any, y_col: str | Sequence[str]) -> None:
        """Set the labels that the class_mode needs."""
        if self.class_mode in _CLASS_MODES:
            self.labels = [_numbers(value, self.class_indices) for value in rows[y_col]]
        elif self.class_mode == "raw":
            self.labels = _values(rows, y_col)
        elif self.class_mode == "multi_output":
            self.labels = [_values(rows, column) for column in y_col]

    def _check_columns(
        self, rows: Any, x_col: str, y_col: str | Sequence[str], weight_col: str | None, classes: Sequence[str] | None
    ) -> None:
        mode = self.class_mode
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(f'If class_mode="{mode}", y_col must be a list. Received {type(y_col).__name__}.')
        y_columns = [] if mode in ("input", None) else [y_col] if isinstance(y_col, str) else list(y_col)
        for column in [x_col, *y_columns, *([] if weight_col is None else [weight_col])]:
            if column not in rows:
                raise ValueError(f"DataFrameIterator: no column {column!r} in the dataframe, which has {list(rows.columns)}")
        if not _all(rows[x_col], str):
            raise TypeError(f"All values in column x_col={x_col} must be strings.{_first_other(rows, x_col, x_col, str)}")
        if mode in ("binary", "sparse") and not _all(rows[y_col], str):
            raise TypeError(
                f'If class_mode="{mode}", y_col="{y_col}" column values must be strings.{_first_other(rows, x_col, y_col, str)}'
            )
        if mode == "binary":
            if classes and len(set(classes)) != 2:
                raise ValueError(f'If class_mode="binary" there must be 2 classes. {len(set(classes))} class/es were given.')
            if not classes and rows[y_col].nunique() != 2:
                raise ValueError(f'If class_mode="binary" there must be 2 classes. Found {rows[y_col].nunique()} classes.')
        types = (str, list, tuple)
        if mode == "categorical" and not _all(rows[y_col], types):
            raise TypeError(
                f'If class_mode="{mode}", y_col="{y_col}" column values must be type string, list or tuple.'
                f"{_first_other(rows, x_col, y_col, types)}"
            )
        if classes and mode not in _CLASS_MODES:
            warn(f'`classes` will be ignored given the class_mode="{mode}"')
        if weight_col is not None and rows[weight_col].dtype.kind not in "iuf":
            raise TypeError(f"Column weight_col={weight_col} must be numeric.")

    def _with_files(self, rows: Any, x_col: str) -> Any:
        """The rows whose files exist and have a known extension."""
        names = rows[x_col].tolist()
        endings = tuple(self.white_list_formats)
        valid = [name.lower().endswith(endings) and os.path.isfile(os.path.join(self.directory, name)) for name in names]
        missing = [name for name, there in zip(names, valid) if not there]
        if missing:
            warn(
                f'Found {len(missing)} invalid image filename(s) in x_col="{x_col}". These filename(s) will be ignored. '
                f"The first is {os.path.join(self.directory, missing[0])!r}."
            )
        return rows[np.array(valid, bool)]

    def _without_nan(self, rows: Any, x_col: str, columns: list[str]) -> Any:
        missing = rows[columns].isna().to_numpy().any(axis=1)
        if not missing.any():
            return rows
        first = os.path.join(self.directory, rows[x_col].iloc[int(missing.argmax())])
        text = f"{missing.sum()} of {len(rows)} rows have no value in {', '.join(columns)}, the first that of {first!r}"
        if self.on_error == "raise":
            raise ValueError(f"DataFrameIterator: {text}")
        warn(f"omitted: {text}")
        return rows[~missing]

    def _targets(self, samples: Array) -> Any:
        if self.class_mode == "raw":
            return self.labels[samples]
        if self.class_mode == "multi_output":
            return [values[samples] for values in self.labels]
        return super()._targets(samples)


def _all(column: Any, types: type | tuple[type, ...]) -> bool:
    return all(isinstance(value, types) for value in column)


def _first_other(rows: Any, x_col: str, column: str | Sequence[str], types: type | tuple[type, ...]) -> str:
    """A text with the first value of another type and its file, for messages."""
    for name, value in zip(rows[x_col], rows[column]):
        if not isinstance(value, types):
            return f" Found {value!r} of {name!r}."
    return ""


def _with_classes(rows: Any, y_col: str | Sequence[str], classes: Sequence[str] | None) -> tuple[Any, dict[str, int]]:
    """The rows with the classes to use, and the number of each class."""
    listed = [list(value) if isinstance(value, (list, tuple)) else [value] for value in rows[y_col]]
    taken = set(classes) if classes else {name for names in listed for name in names}
    numbers = {name: number for number, name in enumerate(sorted(taken))}
    rows = rows[np.array([any(name in taken for name in names) for names in listed], bool)]
    return rows, numbers


def _numbers(value: Any, class_indices: dict[str, int]) -> Any:
    if isinstance(value, (list, tuple)):
        return [class_indices[name] for name in value if name in class_indices]
    return class_indices[value]


def _values(rows: Any, columns: str | Sequence[str]) -> Array:
    """The numbers in one column or several. The values of a column may be arrays or lists of one length."""
    values: Array = rows[columns].to_numpy() if isinstance(columns, str) else rows[list(columns)].to_numpy()
    if values.dtype.kind == "O":
        try:
            values = np.array(values.tolist())
        except ValueError as error:
            raise TypeError(f"DataFrameIterator: expected the values of {columns!r} to have one shape: {error}") from None
    if values.dtype.kind not in "biufc":
        kinds = sorted({type(value).__name__ for value in np.ravel(rows[columns].to_numpy())})
        raise TypeError(f"DataFrameIterator: expected numbers in {columns!r}, got {', '.join(kinds)}")
    return values
