"""Where a data set's file is, or comes from, and what is wrong with one."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lamella.utils.data_utils import cache_path, get_file

# What readers raise for bytes that are not what they read.
_WRONG = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, EOFError, MemoryError, RuntimeError,
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
# Where tf.keras and Keras 3 have the files of Keras 2, byte by byte.
MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


class DataFileError(ValueError, OSError):
    """A data set's file that cannot be fetched, is damaged, or holds something else."""


@dataclass(frozen=True)
class Source:
    """What is published of a file.

    Args:
        urls: Asked in this order, until one gives it.
        file_hash: Its MD5 or SHA-256, in hexadecimal.
        folder: In ~/.keras or $KERAS_HOME.
        untar: Whether it is a .tar.gz whose folder is wanted.
    """

    urls: tuple[str, ...]
    file_hash: str
    folder: str = "datasets"
    untar: bool = False


def locate(source: Source, path: str | os.PathLike[str]) -> str:
    """The path of the file, downloaded if it has to be.

    Args:
        path: A file that exists, with its folder: it is taken as it is, whatever its hash. Else the name in the cache.

    Raises:
        DataFileError: No server gave it, or something else than what is published.
    """
    name = os.path.expanduser(os.fspath(path))
    if os.path.dirname(name) and os.path.exists(name):
        return name
    failures = []
    for url in source.urls:
        try:
            return get_file(name, url, file_hash=source.file_hash, untar=source.untar, cache_subdir=source.folder)
        except (OSError, ValueError) as error:
            failures.append(str(error))
    wanted = cache_path(source.folder, name) + (".tar.gz" if source.untar else "")
    raise DataFileError(
        f"{wanted} is not there, or not what is published, and could not be downloaded ({'; '.join(failures)}). Download "
        f"{source.urls[-1]} elsewhere and put it there (its hash is {source.file_hash}), or pass path= with the place of the file"
    )


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Within the block, what readers raise for wrong data becomes a DataFileError that says what to do."""
    try:
        yield
    except _WRONG as error:
        said = str(error) or type(error).__name__
        raise DataFileError(
            f"{path}: damaged, or not a file of this data set ({said}). Delete it, so that it is downloaded again, or pass "
            "path= with the place of a good one"
        ) from error
