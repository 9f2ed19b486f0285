"""Reuters: news of the agency as lists of indices of words."""

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
    """11,228 news of 46 topics, each a list of indices of words.

    A word has a lower index if it is more frequent. The arguments that are not listed, the form of the result and the errors are
    those of `imdb.load_data`.

    Args:
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.
        test_split: Fraction of the news for testing, from 0 to 1.

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
        path: Path of a file with its directory; or a name in ~/.keras/datasets ($KERAS_HOME), where the file is downloaded.

    Raises:
        DataFileError: The file cannot be downloaded, or is damaged. It is a ValueError and an OSError, and says what to do.

    Source: Keras 2.2.5.
    """
    return texts.word_index(locate(WORDS, path))
