"""Texts as indices of words and as matrices: keras.preprocessing.text."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from lamella.core.keras_names import complete as _complete
from lamella.core.types import Array
from lamella.core.warn import warn

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(text: str, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text.

    Args:
        text: One text.
        filters: Characters that separate words and are dropped: punctuation, tab and newline, but not the apostrophe.
        lower: Whether words are converted to lower case.
        split: The separator of words, besides `filters`.

    Raises:
        TypeError: `text` is not a text, but for example None, or NaN from a table.

    Example:
        >>> text_to_word_sequence("It's late, very LATE!")
        ["it's", 'late', 'very', 'late']

    Source: keras-preprocessing 1.1.0.
    """
    if not isinstance(text, str):
        raise TypeError(f"text_to_word_sequence: expected a text, got {type(text).__name__} {text!r}")
    if lower:
        text = text.lower()
    return [word for word in text.translate({ord(sign): split for sign in filters}).split(split) if word]


def one_hot(text: str, n: int, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[int]:
    """`hashing_trick` with Python's own hash. In spite of the name, the result is a list of indices."""
    return hashing_trick(text, n, hash, filters, lower, split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """The words of a text as indices, computed by a hash. Two words may have the same index.

    Args:
        text: One text.
        n: Indices are 1 to n - 1.
        hash_function: A function of a word; "md5"; or None for Python's own hash, which differs between processes.
        filters: See `text_to_word_sequence`.
        lower: See `text_to_word_sequence`.
        split: See `text_to_word_sequence`.

    Raises:
        ValueError: n < 2, or the hash is unknown.

    Example:
        >>> hashing_trick("late, very late", 100, "md5")
        [64, 68, 64]

    Source: keras-preprocessing 1.1.0.
    """
    if n < 2:
        raise ValueError(f"hashing_trick: expected n >= 2, since 0 is not an index of a word, got {n}")
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":
        hash_function = _md5
    if not callable(hash_function):
        raise ValueError(f'hashing_trick: expected a function, "md5" or None, got {hash_function!r}')
    return [hash_function(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Learns a vocabulary from texts, and converts texts to lists of indices and to matrices.

    The most frequent word has index 1. Words of the same frequency are in the order of their first occurrence. Index 0 is not
    a word.

    Args:
        num_words: Only words with an index below num_words are used, so at most num_words - 1 words. None uses all.
        filters: See `text_to_word_sequence`.
        lower: See `text_to_word_sequence`.
        split: See `text_to_word_sequence`.
        char_level: Whether each character is a word. `filters` and `split` have no effect then.
        oov_token: A word with index 1 that replaces all words that are not used. None drops these.
        document_count: Number of texts that were counted before.

    Attributes:
        word_counts: The number of occurrences of each word.
        word_docs: The number of texts with each word.
        index_docs: The same as word_docs, by index.
        word_index: The index of each word, also of the words that are not used.
        index_word: The word of each index.
        document_count: The number of texts.

    Example:
        >>> tokenizer = Tokenizer(oov_token="?")
        >>> tokenizer.fit_on_texts(["the cat", "the dog"])
        >>> tokenizer.texts_to_sequences(["the dog barks"])
        [[2, 4, 1]]
        >>> tokenizer.sequences_to_texts([[2, 3]])
        ['the cat']

    Source: keras-preprocessing 1.1.0. Pickles of its Tokenizer, and of those of older Keras, can be loaded. Deviation: a Tokenizer
        from a config can be fitted further. A single text instead of a list warns, because its characters count as texts.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warn("The `nb_words` argument in `Tokenizer` has been renamed `num_words`.")
            num_words = kwargs.pop("nb_words")
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.word_counts: dict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.filters = filters
        self.split = split
        self.lower = lower
        self.num_words = num_words
        self.document_count = document_count
        self.char_level = char_level
        self.oov_token = oov_token
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def fit_on_texts(self, texts: Iterable[str | list[str]]) -> None:
        """Count the words of texts, and give all words new indices.

        Args:
            texts: A list or generator of texts. A text may be a list of words, which is not split.
        """
        for text in _checked_texts("fit_on_texts", texts):
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        ordered = [] if self.oov_token is None else [self.oov_token]
        ordered += sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        self.word_index = {word: index for index, word in enumerate(ordered, 1)}
        self.index_word = {index: word for word, index in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Any) -> None:
        """Count indices instead of words, for `sequences_to_matrix` without texts."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for index in set(sequence):
                self.index_docs[index] += 1

    def texts_to_sequences(self, texts: Iterable[str | list[str]]) -> list[list[int]]:
        """A list of indices for each text. Words that are not used are dropped, or replaced by oov_token."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | list[str]]) -> Iterator[list[int]]:
        """Generate the results of `texts_to_sequences` one by one."""
        outside = self._outside()
        for text in _checked_texts("texts_to_sequences", texts):
            indices = (self.word_index.get(word) for word in self._words(text))
            used = (index if index is not None and self._uses(index) else outside for index in indices)
            yield [index for index in used if index is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """A text for each list of indices in `sequences`, with spaces between the words."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Generate the results of `sequences_to_texts` one by one."""
        outside = self._outside()
        for sequence in sequences:
            used = (index if index in self.index_word and self._uses(index) else outside for index in sequence)
            yield " ".join(self.index_word[index] for index in used if index is not None)

    def texts_to_matrix(self, texts: Iterable[str | list[str]], mode: str = "binary") -> Array:
        """`sequences_to_matrix` of `texts_to_sequences`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> Array:
        """A row for each sequence, a column for each index.

        Args:
            sequences: A list of n lists of indices. Indices that are not below num_words are ignored.
            mode: The value for an index that is c times in the sequence: "binary" 1, "count" c, "freq" c / length of the
                sequence, "tfidf" (1 + log c) * log(1 + texts / (1 + texts with the index)).

        Returns:
            float64 [n, num_words]; without num_words, the number of columns is the number of words plus 1.

        Raises:
            ValueError: The mode is none of these, or the number of columns or of texts is unknown.
        """
        if not self.num_words and not self.word_index:
            raise ValueError("Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError("Unknown vectorization mode:", mode)
        x = np.zeros((len(sequences), self.num_words or len(self.word_index) + 1))
        for row, sequence in zip(x, sequences):
            for index, count in Counter(sequence).items():
                if index >= len(row):
                    continue
                if mode == "binary":
                    row[index] = 1
                elif mode == "count":
                    row[index] = count
                elif mode == "freq":
                    row[index] = count / len(sequence)
                else:
                    rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(index, 0)))
                    row[index] = (1 + np.log(count)) * rarity
        return x

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, and the mappings of the vocabulary, each as JSON."""
        config: dict[str, Any] = {name: getattr(self, name) for name in _ARGUMENTS}
        return config | {name: json.dumps(getattr(self, name)) for name in _MAPPINGS}

    def to_json(self, **kwargs: Any) -> str:
        """Class and config as JSON, for `tokenizer_from_json`. The arguments are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Pickles of Keras 2.0 and 2.1 do not have the later attributes.
        vars(self).update({"char_level": False, "oov_token": None, "document_count": 0, **state})
        if "index_word" not in state:
            self.index_word = {index: word for word, index in self.word_index.items()}

    def _words(self, text: str | list[str]) -> Any:
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _uses(self, index: int) -> bool:
        return not self.num_words or index < self.num_words

    def _outside(self) -> int | None:
        """The index of oov_token, which replaces words that are not used, or None."""
        return None if self.oov_token is None else self.word_index.get(self.oov_token)


_ARGUMENTS = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
_MAPPINGS = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The Tokenizer that `to_json` described.

    Args:
        json_string: What `to_json` returned.
    """
    config = dict(json.loads(json_string)["config"])
    mappings = {name: json.loads(config.pop(name)) for name in _MAPPINGS}
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts.update(mappings["word_counts"])
    tokenizer.word_docs.update(mappings["word_docs"])
    tokenizer.word_index.update(mappings["word_index"])
    tokenizer.index_docs.update({int(index): count for index, count in mappings["index_docs"].items()})
    tokenizer.index_word.update({int(index): word for index, word in mappings["index_word"].items()})
    return tokenizer


def _checked_texts(method: str, texts: Iterable[Any]) -> Iterable[Any]:
    if isinstance(texts, str):
        warn(f"Tokenizer.{method}: got one text, whose characters count as texts; pass a list of texts")
    return texts


_complete(__name__)
