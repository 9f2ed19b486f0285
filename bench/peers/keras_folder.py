"""Keras 3's side of bench/folder.py: image_dataset_from_directory over tf.data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras
import tensorflow as tf

from lamella.core.types import Array


def batches(folder: str, size: int, batch: int, threads: int) -> Callable[[], Iterable[Array]]:
    """A pass on as many threads as the other contenders have; by default tf.data uses all CPUs."""
    images = keras.utils.image_dataset_from_directory(
        folder, image_size=(size, size), interpolation="nearest", batch_size=batch, shuffle=False, verbose=False
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    images = images.with_options(options)

    def begin() -> Iterator[Array]:
        return (x.numpy() for x, _ in images)

    return begin
