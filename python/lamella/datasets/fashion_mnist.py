"""Fashion-MNIST: grey images of clothes, in the form of MNIST."""

from __future__ import annotations

import gzip
import os

import numpy as np

from lamella.core.types import Array
from lamella.datasets.files import MIRROR, Source, locate, reading

__all__ = ["load_data"]

_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_HASHES = {
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
}
SOURCES = {
    name: Source((_URL + name, MIRROR + name), file_hash, folder=os.path.join("datasets", "fashion-mnist"))
    for name, file_hash in _HASHES.items()
}


def load_data(path: str | None = None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """70,000 grey images of ten kinds of clothes.

    Args:
        path: A folder with the four published files. None means ~/.keras/datasets/fashion-mnist ($KERAS_HOME), where the files are
            downloaded.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 [60000, 28, 28], [60000], [10000, 28, 28], [10000].

    Raises:
        DataFileError: A file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5, which has no `path`, does not check a hash, and returns read-only arrays.
    """
    y_train, x_train, y_test, x_test = (
        _idx(locate(source, name if path is None else os.path.join(path, name))) for name, source in SOURCES.items()
    )
    return (x_train, y_train), (x_test, y_test)


def _idx(path: str) -> Array:
    """Read the IDX format of MNIST: 0, 0, 8 for bytes, the number of axes; the length of each axis, in 4 bytes; the bytes."""
    with reading(path), gzip.open(path) as file:
        head = file.read(4)
        if head[:3] != b"\0\0\x08" or head[3:] not in (b"\1", b"\3"):
            raise ValueError(f"it begins with {head!r}, but an IDX file of bytes begins with 0, 0, 8, 1 or 3")
        shape = np.frombuffer(file.read(4 * head[3]), ">u4").tolist()
        size = int(np.prod(shape, dtype=np.float64))
        data = file.read(min(size, 1 << 30))
        if len(data) != size or file.read(1):
            raise ValueError(f"it declares the shape {shape}, but does not have {size} bytes")
        return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
