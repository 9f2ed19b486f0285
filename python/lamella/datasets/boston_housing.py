"""Prices of houses in districts of Boston."""

from __future__ import annotations

import numpy as np

from lamella.core.types import Array
from lamella.datasets import npz
from lamella.datasets.files import MIRROR, Source, locate

__all__ = ["load_data"]

SOURCE = Source(
    ("https://s3.amazonaws.com/keras-datasets/boston_housing.npz", f"{MIRROR}boston_housing.npz"),
    "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
)


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """13 numbers for each of 506 districts, and the median price of a house there, in 1000 USD.

    Args:
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.
        test_split: Fraction of the districts for testing, 0 <= test_split < 1.
        seed: Seed of the random order of the districts.

    Returns:
        (x_train, y_train), (x_test, y_test): float64 [404, 13], [404], [102, 13], [102].

    Raises:
        AssertionError: test_split is outside of this range.
        DataFileError: The file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5.
    """
    if not 0 <= test_split < 1:
        raise AssertionError(f"boston_housing.load_data: expected 0 <= test_split < 1, got {test_split}")
    x, y = npz.load(locate(SOURCE, path), "x", "y")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    train, test = np.split(order, [int(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])
