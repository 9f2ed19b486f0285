"""CIFAR-10: small colour images of ten classes."""

from __future__ import annotations

import os

import numpy as np

from lamella.core.types import Array
from lamella.datasets.cifar import folder, images, load_batch
from lamella.datasets.files import Source

__all__ = ["load_data"]

SOURCE = Source(
    ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    untar=True,
)


def load_data(path: str | None = None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """60,000 colour images of ten classes.

    Args:
        path: A folder with the published files data_batch_1 to 5 and test_batch. None means ~/.keras/datasets/cifar-10-batches-py
            ($KERAS_HOME), where the files are downloaded.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 [50000, 32, 32, 3], or [50000, 3, 32, 32] with channels_first; uint8
        [50000, 1]; 10000 such images; int64 [10000, 1].

    Raises:
        DataFileError: A file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5, which has no `path` and does not check a hash.
    """
    place = folder(SOURCE, "cifar-10-batches-py", path)
    batches = [load_batch(os.path.join(place, f"data_batch_{number}")) for number in range(1, 6)]
    x_test, y_test = load_batch(os.path.join(place, "test_batch"))
    x_train = np.concatenate([x for x, _ in batches])
    y_train = np.concatenate([np.array(labels, np.uint8) for _, labels in batches])
    return (images(x_train), y_train[:, None]), (images(x_test), np.array(y_test, np.int64)[:, None])
