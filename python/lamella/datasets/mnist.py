"""MNIST: grey images of handwritten digits."""

from __future__ import annotations

from lamella.core.types import Array
from lamella.datasets import npz
from lamella.datasets.files import MIRROR, Source, locate

__all__ = ["load_data"]

SOURCE = Source(("https://s3.amazonaws.com/img-datasets/mnist.npz", f"{MIRROR}mnist.npz"), "8a61469f7ea1b51cbae51d4f78837e45")


def load_data(path: str = "mnist.npz") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """70,000 grey images of the digits 0 to 9.

    Args:
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 [60000, 28, 28], [60000], [10000, 28, 28], [10000].

    Raises:
        DataFileError: The file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5.
    """
    x_train, y_train, x_test, y_test = npz.load(locate(SOURCE, path), "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
