"""CIFAR-100: small colour images of a hundred classes."""

from __future__ import annotations

import os

import numpy as np

from lamella.core.types import Array
from lamella.datasets.cifar import folder, images, load_batch
from lamella.datasets.files import Source

__all__ = ["load_data"]

SOURCE = Source(
    ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    untar=True,
)


def load_data(label_mode: str = "fine", path: str | None = None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """60,000 colour images of 100 classes in 20 groups.

    Args:
        label_mode: "fine" for the classes, "coarse" for the groups.
        path: A folder with the published files train and test. None means ~/.keras/datasets/cifar-100-python ($KERAS_HOME), where
            the files are downloaded.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 [50000, 32, 32, 3], or [50000, 3, 32, 32] with channels_first; int64
        [50000, 1]; the same for 10000 images.

    Raises:
        ValueError: label_mode is neither.
        DataFileError: A file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5, which has no `path` and does not check a hash.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError('`label_mode` must be one of `"fine"`, `"coarse"`.')
    place = folder(SOURCE, "cifar-100-python", path)
    parts = (load_batch(os.path.join(place, part), f"{label_mode}_labels") for part in ("train", "test"))
    train, test = ((images(x), np.array(labels, np.int64)[:, None]) for x, labels in parts)
    return train, test
