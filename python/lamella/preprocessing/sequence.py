"""Sequences of different lengths as arrays, windows over time series, pairs of words: keras.preprocessing.sequence."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence as List
from typing import Any

import numpy as np

from lamella.core.keras_names import complete as _complete
from lamella.core.types import Array
from lamella.data.sequence import Sequence

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams", "timeseries_generator_from_json"]


def _remove_long_seq(maxlen: int, seq: List[Any], label: List[Any]) -> tuple[list[Any], list[Any]]:
    """The sequences that are shorter than maxlen, and their labels. Scripts import it from Keras under this name.

    Args:
        maxlen: The first length that is too long.
        seq: Sequences.
        label: A label for each.
    """
    kept = [(x, y) for x, y in zip(seq, label) if len(x) < maxlen]
    return [x for x, _ in kept], [y for _, y in kept]


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """One array of sequences of different lengths.

    Args:
        sequences: A list of n sequences; their items are numbers, texts or arrays of one shape.
        maxlen: Number of items in each row. None means the length of the longest sequence.
        dtype: Dtype of the result; `object` for texts of different lengths.
        padding: "pre" fills before a short sequence, "post" after it.
        truncating: "pre" removes the first items of a long sequence, "post" the last ones.
        value: The value that fills.

    Returns:
        Array [n, maxlen, *shape of an item].

    Raises:
        ValueError: `sequences` is not a list of sequences, or items differ in shape, or `value` does not fit `dtype`.

    Example:
        >>> pad_sequences([[1, 2], [3, 4, 5, 6]], maxlen=3)
        array([[0, 1, 2],
               [4, 5, 6]], dtype=int32)

    Source: keras-preprocessing 1.1.0. Deviation: maxlen=0 gives rows without items; Keras fails or keeps whole sequences.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    if maxlen is not None and (not isinstance(maxlen, (int, np.integer)) or maxlen < 0):
        raise ValueError(f"pad_sequences: expected maxlen to be a whole number >= 0 or None, got {maxlen!r}")
    for one in sequences:
        if not hasattr(one, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {one}")
    for name, side in (("Truncating", truncating), ("Padding", padding)):
        if side not in ("pre", "post"):
            raise ValueError(f'{name} type "{side}" not understood')
    if isinstance(value, str) and np.dtype(dtype) != object and not np.issubdtype(dtype, np.str_):
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\n"
            "You should set `dtype=object` for variable length strings."
        )
    width = max(map(len, sequences), default=0) if maxlen is None else maxlen
    shape = next((np.shape(one)[1:] for one in sequences if len(one)), ())
    x = np.full((len(sequences), width, *shape), value, dtype=dtype)
    for position, one in enumerate(sequences):
        kept = one[max(len(one) - width, 0) :] if truncating == "pre" else one[:width]
        if not len(kept):
            continue
        items = np.asarray(kept, dtype=dtype)
        if items.shape[1:] != shape:
            raise ValueError(
                f"Shape of sample {items.shape[1:]} of sequence at position {position} is different from expected shape {shape}"
            )
        if padding == "post":
            x[position, : len(items)] = items
        else:
            x[position, width - len(items) :] = items
    return x


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> Array:
    """The probability of keeping the word of each rank, if frequencies follow Zipf's law.

    p(word) = min(1, sqrt(frequency / sampling_factor) / (frequency / sampling_factor)). The frequency of rank r is
    1 / (r (log(r) + gamma) + 1/2 - 1/(12 r)), where gamma is Euler's constant.

    Args:
        size: Number of words. Rank 0 counts as rank 1.
        sampling_factor: With a lower value, frequent words are dropped more often.

    Returns:
        float64 [size].

    Source: keras-preprocessing 1.1.0, which rounds Euler's constant to 0.577.
    """
    rank = np.maximum(np.arange(size), 1)
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    f = sampling_factor * inverse
    table: Array = np.minimum(1.0, f / np.sqrt(f))
    return table


def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs (word, word nearby) with label 1, and pairs (word, random word) with label 0.

    Args:
        sequence: Indices of words. 0 is not a word and is in no pair.
        vocabulary_size: The largest index of a word, plus 1.
        window_size: The largest distance of two words in a pair, in places.
        negative_samples: Number of random pairs for each true pair; 0 for none.
        shuffle: Whether the pairs are shuffled; otherwise the true pairs are first.
        categorical: Whether labels are [0, 1] and [1, 0] instead of 1 and 0.
        sampling_table: The probability of keeping each word, see `make_sampling_table`. None keeps all.
        seed: Seed of the order, if `shuffle` is True.

    Returns:
        (pairs, labels), two lists.

    Raises:
        ValueError: Random words are needed, but vocabulary_size has no index except 0.

    Example:
        >>> skipgrams([1, 2, 3], 4, window_size=1, negative_samples=0, shuffle=False)
        ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])

    Source: keras-preprocessing 1.1.0. Random numbers are drawn from Python's global `random`, in the same order, and `seed` seeds
        it for the rest of the program, so that scripts get the same pairs as with Keras.
    """
    true, false = ([0, 1], [1, 0]) if categorical else (1, 0)
    pairs: list[list[int]] = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        places = range(max(0, place - window_size), min(len(sequence), place + window_size + 1))
        pairs += [[word, sequence[other]] for other in places if other != place and sequence[other]]
    labels: list[Any] = [true for _ in pairs]
    if negative_samples > 0:
        words = [pair[0] for pair in pairs]
        random.shuffle(words)
        count = int(len(labels) * negative_samples)
        if count and vocabulary_size < 2:
            raise ValueError(f"skipgrams: expected vocabulary_size >= 2 to draw words from, got {vocabulary_size}")
        pairs += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [false] * count
    if shuffle:
        order = random.randint(0, 10_000_000) if seed is None else seed
        for mixed in (pairs, labels):
            random.seed(order)
            random.shuffle(mixed)
    return pairs, labels


class TimeseriesGenerator(Sequence):
    """Batches of windows over a time series, each with the target of the step after it.

    Args:
        data: [steps, ...], an array, a list or a pandas object.
        targets: One for each step of `data`.
        length: Number of steps that a window spans.
        sampling_rate: A window has every sampling_rate-th of these steps.
        stride: Number of steps between consecutive windows.
        start_index: The first step that may be in a window.
        end_index: The last step whose target is used. None means the last step of `data`.
        shuffle: Whether windows are at random steps, drawn from `np.random`, instead of in order.
        reverse: Whether the steps within a window are in reverse order.
        batch_size: Number of windows in a batch. The last batch of an epoch may have fewer.

    Raises:
        ValueError: `data` and `targets` differ in length, or no window fits.

    Example:
        >>> x, y = TimeseriesGenerator(np.arange(6), np.arange(6), length=2, batch_size=3)[0]
        >>> x.tolist(), y.tolist()
        ([[0, 1], [1, 2], [2, 3]], [2, 3, 4])

    Source: keras-preprocessing 1.1.0. Deviation: its `get_config` adds `length` to start_index, so a generator that is made from
        the config begins later; and its batch for an index outside of the epoch is empty, where lamella raises IndexError.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        if len(data) != len(targets):
            raise ValueError(
                f"Data and targets have to be of same length. Data length is {len(data)} while target length is {len(targets)}"
            )
        counts = {"length": length, "sampling_rate": sampling_rate, "stride": stride, "batch_size": batch_size}
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"TimeseriesGenerator: expected {name} >= 1, got {count}")
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        # The step of the first target, as in Keras.
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` "
                "is disallowed, as no part of the sequence would be left to be used as current step."
            )
        if start_index < 0 or self.end_index >= len(data):
            raise ValueError(
                f"TimeseriesGenerator: expected 0 <= start_index and end_index < {len(data)}, the length of data, "
                f"got {start_index} and {self.end_index}"
            )

    def __len__(self) -> int:
        span = self.batch_size * self.stride
        return (self.end_index - self.start_index + span) // span

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"TimeseriesGenerator: expected an index below {len(self)}, got {index}")
        if self.shuffle:
            steps = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            span = self.batch_size * self.stride
            first = self.start_index + span * (index % len(self))
            steps = np.arange(first, min(first + span, self.end_index + 1), self.stride)
        samples = _windows(self.data, steps, self.length, self.sampling_rate)
        targets = _rows(self.targets)
        wanted = targets[steps] if isinstance(targets, np.ndarray) else np.array([targets[step] for step in steps])
        return samples[:, ::-1] if self.reverse else samples, wanted

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with data and targets as JSON.

        Raises:
            TypeError: JSON cannot store data or targets.
        """
        return {
            "data": _as_json("Data", self.data),
            "targets": _as_json("Targets", self.targets),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index - self.length,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """Class and config as JSON, data included. The arguments are those of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The generator that `to_json` described, with data and targets as lists.

    Args:
        json_string: What `to_json` returned.
    """
    config = dict(json.loads(json_string)["config"])
    return TimeseriesGenerator(json.loads(config.pop("data")), json.loads(config.pop("targets")), **config)


def _windows(data: Any, steps: Array, length: int, rate: int) -> Array:
    """The window before each of these steps: [len(steps), ceil(length / rate), ...]."""
    data = _rows(data)
    if isinstance(data, np.ndarray):
        taken: Array = data[steps[:, None] + np.arange(-length, 0, rate)]
        return taken
    return np.array([data[step - length : step : rate] for step in steps])


def _rows(x: Any) -> Any:
    """x itself, or the array of a pandas object, whose own x[i] would look up a label and not a place."""
    return x.to_numpy() if hasattr(x, "to_numpy") else x


def _as_json(kind: str, x: List[Any] | Array) -> str:
    x = _rows(x)
    try:
        return json.dumps(x.tolist() if isinstance(x, np.ndarray) else x)
    except TypeError as error:
        raise TypeError(f"{kind} not JSON Serializable: {error}") from None


_complete(__name__)
