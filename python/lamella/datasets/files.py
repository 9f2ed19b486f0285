"""Finds or downloads the file of a data set, and converts errors of damaged files."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lamella.utils.data_utils import cache_path, get_file

# The errors of readers for wrong bytes.
_WRONG = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, EOFError, MemoryError, RuntimeError,
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
# The server where tf.keras and Keras 3 have the files of Keras 2, with the same bytes.
MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


class DataFileError(ValueError, OSError):
    """A file of a data set cannot be downloaded, is damaged, or has other contents."""


@dataclass(frozen=True)
class Source:
    """A published file.

    Args:
        urls: Its URLs. They are tried in this order.
        file_hash: Its MD5 or SHA-256, in hexadecimal.
        folder: The folder in ~/.keras or $KERAS_HOME for it.
        untar: Whether it is a .tar.gz that is unpacked to a folder.
    """

    urls: tuple[str, ...]
    file_hash: str
    folder: str = "datasets"
    untar: bool = False


def locate(source: Source, path: str | os.PathLike[str]) -> str:
    """The path of a file, which is downloaded if it is not in the cache.

    Args:
        source: The published file.
        path: Path of an existing file with its folder, which is used without a check of its hash; else a name in the cache.

    Raises:
        DataFileError: No server has the file, or its hash is not the published one.
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
        f"{wanted} does not exist, or is not the published file, and could not be downloaded ({'; '.join(failures)}). Download "
        f"{source.urls[-1]} elsewhere and save it with this name (its hash is {source.file_hash}), or pass the path of the "
        "file as path="
    )


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Within the block, convert the errors of readers for wrong data to DataFileError, which says what to do."""
    try:
        yield
    except _WRONG as error:
        reason = str(error) or type(error).__name__
        raise DataFileError(
            f"{path}: damaged, or not a file of this data set ({reason}). Delete it, so that it is downloaded again, or pass the "
            "path of another file as path="
        ) from error
