"""An LSTM over words, like Keras's imdb_lstm, on text that every machine with Python and NumPy has: some seconds, no download.

It learns to distinguish passages of Python's language reference from passages of NumPy's documentation. Passages have
different lengths; shorter ones are padded with zeros, which Embedding masks.

python examples/imdb_lstm.py
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

import lamella as keras
from lamella.layers import LSTM, Dense, Embedding
from lamella.models import Sequential

UNKNOWN = 1  # the number of each word outside of the vocabulary; 0 is padding, and is masked
LONGEST = 30  # words in a passage


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def documents() -> list[list[str]]:
    """The words of Python's reference, and those of the docstrings of NumPy's functions."""
    found = [getattr(np, name).__doc__ for name in sorted(dir(np)) if not name.startswith("_")]
    numpy_text = "\n".join(dict.fromkeys(text for text in found if isinstance(text, str)))
    return [words_of("\n".join(topics[name] for name in sorted(topics))), words_of(numpy_text)]


def passages(words: list[str], count: int, random: np.random.Generator) -> list[list[str]]:
    """`count` passages of 5 to LONGEST words, which do not overlap."""
    starts = random.permutation(len(words) // LONGEST)[:count] * LONGEST
    return [words[start : start + random.integers(5, LONGEST + 1)] for start in starts]


def as_numbers(texts: list[list[str]], vocabulary: dict[str, int]) -> NDArray[np.int32]:
    """[N, LONGEST]: each passage at the end of its row, zeros before it."""
    rows = np.zeros((len(texts), LONGEST), np.int32)
    for row, words in zip(rows, texts):
        row[-len(words) :] = [vocabulary.get(word, UNKNOWN) for word in words]
    return rows


def build_model(words: int) -> Sequential:
    model = Sequential(
        [
            Embedding(words, 32, mask_zero=True, input_length=LONGEST),
            LSTM(32, dropout=0.2, recurrent_dropout=0.2),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("--passages", type=int, default=2000, help="of each kind (default: %(default)s)")
    parser.add_argument("--words", type=int, default=2000, help="in the vocabulary (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    kinds = [passages(words, arguments.passages, random) for words in documents()]
    texts = [text for kind in kinds for text in kind]
    labels = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    order = random.permutation(len(texts))
    train, test = np.split(order, [4 * len(order) // 5])

    counted = Counter(word for i in train for word in texts[i])
    frequent = [word for word, _ in counted.most_common(arguments.words - UNKNOWN - 1)]
    vocabulary = {word: UNKNOWN + 1 + i for i, word in enumerate(frequent)}
    x = as_numbers(texts, vocabulary)

    model = build_model(UNKNOWN + 1 + len(vocabulary))
    model.summary()
    started = time.perf_counter()
    model.fit(
        x[train],
        labels[train],
        batch_size=32,
        epochs=arguments.epochs,
        validation_data=(x[test], labels[test]),
        verbose=2,
    )
    seconds = time.perf_counter() - started
    loss, accuracy = model.evaluate(x[test], labels[test], verbose=0)

    print()
    print(f"passages:      {len(train)} to train on, {len(test)} to test on")
    print(f"vocabulary:    {len(vocabulary)} words")
    print(f"seconds:       {seconds:.1f}")
    print(f"test loss:     {loss:.4f}")
    print(f"test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
