"""Functions on texts as lists of indices that imdb and reuters share."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import numpy as np

from lamella.core.types import Array
from lamella.core.warn import warn
from lamella.datasets.files import reading

Rows = list[list[int]]


def old_names(num_words: int | None, kwargs: dict[str, Any]) -> int | None:
    """num_words, or the value of nb_words, its name in Keras 1. Raise TypeError for any other keyword."""
    if "nb_words" in kwargs:
        warn("The `nb_words` argument in `load_data` has been renamed `num_words`.")
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
    return num_words


def shuffled(rows: Rows, labels: Array, rng: np.random.RandomState) -> tuple[Rows, Array]:
    """Texts and labels in the same random order. Raise ValueError if they differ in length."""
    if len(rows) != len(labels):
        raise ValueError(f"{len(rows)} texts and {len(labels)} labels")
    order = np.arange(len(rows))
    rng.shuffle(order)
    return [rows[i] for i in order], labels[order]


def joined(rows: Rows) -> tuple[Array, Array]:
    """The words of all texts as one int64 array, and the length of each text."""
    lengths = np.array([len(row) for row in rows], np.int64)
    return np.fromiter(chain.from_iterable(rows), np.int64, count=int(lengths.sum())), lengths


def selected(
    words: Array,
    lengths: Array,
    labels: Array,
    num_words: int | None,
    skip_top: int,
    maxlen: int | None,
    start_char: int | None,
    oov_char: int | None,
    index_from: int,
) -> tuple[Rows, Array]:
    """The texts and labels that the arguments of `imdb.load_data` select.

    Args:
        words: The words of all texts, from `joined`.
        lengths: The length of each text.
        labels: The label of each text.
        num_words: See `imdb.load_data`, also for the arguments below.
        skip_top: Indices below it become oov_char.
        maxlen: Only texts with fewer items are kept.
        start_char: The first item of each text.
        oov_char: Replaces words that are not kept.
        index_from: Is added to each index.

    Raises:
        ValueError: No text is shorter than maxlen.
    """
    words = words + index_from
    if start_char is not None:
        words = np.insert(words, np.cumsum(lengths) - lengths, start_char)
        lengths = lengths + 1
    if maxlen:
        kept = lengths < maxlen
        words, lengths, labels = words[np.repeat(kept, lengths)], lengths[kept], labels[kept]
        if not len(lengths):
            raise ValueError(
                f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. Increase maxlen."
            )
    known = (skip_top <= words) & (words < (num_words or words.max(initial=0)))
    if oov_char is not None:
        words = np.where(known, words, oov_char)
    else:
        texts = np.repeat(np.arange(len(lengths)), lengths)
        words, lengths = words[known], np.bincount(texts[known], minlength=len(lengths))
    flat, ends = words.tolist(), np.cumsum(lengths).tolist()
    return [flat[start:end] for start, end in zip([0, *ends], ends)], labels


def split(rows: Rows, labels: Array, count: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split into the first `count` texts for training, and the others for testing."""
    # np.array would fail for lists of different lengths, and make a matrix of lists of the same length.
    lists = np.empty(len(rows), object)
    lists[:] = rows
    return (lists[:count], labels[:count]), (lists[count:], labels[count:])


def word_index(path: str) -> dict[str, int]:
    """The index of each word, from a JSON file."""
    with reading(path), open(path, encoding="utf-8") as file:
        index = json.load(file)
        if not isinstance(index, dict):
            raise ValueError(f"expected a dict from words to indices, found {type(index).__name__}")
        return index
