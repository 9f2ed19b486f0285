"""IMDB: reviews of films as lists of indices of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.core.types import Array
from lamella.datasets import npz, texts
from lamella.datasets.files import MIRROR, Source, locate, reading

__all__ = ["get_word_index", "load_data"]

_URL = "https://s3.amazonaws.com/text-datasets/"
SOURCE = Source((f"{_URL}imdb.npz", f"{MIRROR}imdb.npz"), "599dadb1135973df5b59232a0e9a887c")
WORDS = Source((f"{_URL}imdb_word_index.json", f"{MIRROR}imdb_word_index.json"), "bfafd718b763782e994055a2d397834f")


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """50,000 reviews, each a list of indices of words. The label is 1 for a positive review, 0 for a negative one.

    A word has a lower index if it is more frequent.

    Args:
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.
        num_words: Indices that are not below num_words become oov_char. None means the largest index, which then also becomes
            oov_char.
        skip_top: Indices below skip_top become oov_char.
        maxlen: Only reviews with fewer items are kept. The first 25,000 of these are for training.
        seed: Seed of the random order of the reviews.
        start_char: The first item of each review; None for no such item.
        oov_char: Replaces words that are not kept. None drops them.
        index_from: Is added to each index, so that 0 to index_from - 1 are not words.
        kwargs: nb_words, the name of num_words in Keras 1.

    Returns:
        (x_train, y_train), (x_test, y_test): arrays of 25,000 lists of integers, and int64 [25000].

    Raises:
        ValueError: No review is shorter than maxlen.
        TypeError: There is another keyword.
        DataFileError: The file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do. The
            file is read as data: no code in it is run.

    Source: Keras 2.2.5.
    """
    num_words = texts.old_names(num_words, kwargs)
    file = locate(SOURCE, path)
    x_train, y_train, x_test, y_test = npz.load(file, "x_train", "y_train", "x_test", "y_test")
    with reading(file):
        rng = np.random.RandomState(seed)
        train, test = texts.shuffled(x_train, y_train, rng), texts.shuffled(x_test, y_test, rng)
        words, lengths = texts.joined(train[0] + test[0])
        labels = np.concatenate([train[1], test[1]])
    rows, labels = texts.selected(words, lengths, labels, num_words, skip_top, maxlen, start_char, oov_char, index_from)
    return texts.split(rows, labels, len(x_train))


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The index of each word, 1 for the most frequent one; `load_data` adds index_from to it.

    Args:
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.

    Raises:
        DataFileError: The file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5.
    """
    return texts.word_index(locate(WORDS, path))
