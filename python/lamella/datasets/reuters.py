"""News of the agency Reuters, as lists of indices of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.core.types import Array
from lamella.datasets import npz, texts
from lamella.datasets.files import MIRROR, Source, locate, reading

__all__ = ["get_word_index", "load_data"]

_URL = "https://s3.amazonaws.com/text-datasets/"
SOURCE = Source((f"{_URL}reuters.npz", f"{MIRROR}reuters.npz"), "87aedbeb0cb229e378797a632c1997b6")
WORDS = Source((f"{_URL}reuters_word_index.json", f"{MIRROR}reuters_word_index.json"), "4d44cc38712099c9e383dc6e5f11a921")


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """11,228 news, each a list of indices of words by frequency, of 46 topics.

    Args:
        test_split: Share of the news that is for the test, from 0 to 1.

    The other arguments, the form of the result and the errors are those of `imdb.load_data`.

    Returns:
        (x_train, y_train), (x_test, y_test): 8,982 and 2,246 news, and their topics, 0 to 45.

    Source: Keras 2.2.5.
    """
    num_words = texts.old_names(num_words, kwargs)
    file = locate(SOURCE, path)
    x, y = npz.load(file, "x", "y")
    with reading(file):
        rows, labels = texts.shuffled(x, y, np.random.RandomState(seed))
        words, lengths = texts.joined(rows)
    rows, labels = texts.selected(words, lengths, labels, num_words, skip_top, maxlen, start_char, oov_char, index_from)
    return texts.split(rows, labels, int(len(rows) * (1 - test_split)))


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The index of each word, 1 for the most frequent one; `load_data` adds index_from to it.

    Args:
        path: A file with its directory, or a name in ~/.keras/datasets ($KERAS_HOME), where it is downloaded to.

    Raises:
        DataFileError: The file cannot be fetched, or is damaged; a ValueError and OSError that says what to do.

    Source: Keras 2.2.5.
    """
    return texts.word_index(locate(WORDS, path))
