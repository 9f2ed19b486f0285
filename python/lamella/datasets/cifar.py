"""Reads the files of CIFAR-10 and CIFAR-100, which are pickles of Python 2."""

from __future__ import annotations

import os

import numpy as np

from lamella.core import config
from lamella.core.types import Array
from lamella.datasets import pickles
from lamella.datasets.files import Source, locate, reading
from lamella.utils.data_utils import cache_path

__all__ = ["load_batch"]


def load_batch(fpath: str, label_key: str = "labels") -> tuple[Array, list[int]]:
    """The images and labels in one file.

    Args:
        fpath: Path of the file.
        label_key: "labels" (CIFAR-10), "fine_labels" or "coarse_labels" (CIFAR-100).

    Returns:
        uint8 [n, 3, 32, 32] and n integers.

    Raises:
        DataFileError: The file is damaged, or has other contents. It is read as data: no code in it is run.

    Source: Keras 2.2.5, which runs the code in the pickle.
    """
    with open(fpath, "rb") as file:
        data = file.read()
    with reading(fpath):
        contents = pickles.read(data)
        # Keys are bytes if Python 2 wrote the file, and texts if Python 3 wrote it.
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in contents.items()}
        x, labels = batch["data"], batch[label_key]
        if x.dtype != np.uint8 or not all(type(label) is int for label in labels):
            raise ValueError(f"images of dtype {x.dtype}, or labels that are not integers")
        return x.reshape(len(labels), 3, 32, 32), labels


def folder(source: Source, name: str, path: str | None) -> str:
    """The folder with the files: the user's, or one that Keras 2, tf.keras or Keras 3 has unpacked, or a downloaded one."""
    if path is not None:
        return os.path.expanduser(os.fspath(path))
    for unpacked in (name, os.path.join(f"{name}-target", name)):
        if os.path.isdir(found := cache_path(source.folder, unpacked)):
            return found
    return locate(source, name)


def images(x: Array) -> Array:
    """Images [n, 3, 32, 32] in the data format of `config.image_data_format`."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if config.image_data_format() == "channels_last" else x
