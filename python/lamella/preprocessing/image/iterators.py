"""Iterator: batches of images by index, and one after the other without end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator as Iterates
from typing import Any

from lamella.core import random
from lamella.core.checks import checked_count
from lamella.core.types import Array
from lamella.data.sequence import Sequence, current_pass, within_pass
from lamella.preprocessing.image.draws import SampleDraws, order_of_samples
from lamella.preprocessing.image.preview import write_sheet


class Iterator(Sequence):
    """Base of what `flow`, `flow_from_directory` and `flow_from_dataframe` return. A subclass makes the batch of given samples.

    It is a Sequence for fit, evaluate and predict, and an iterator that goes through the data again and again.

    Args:
        n: Samples.
        batch_size: The last batch of a pass may be smaller.
        shuffle: A new order in each pass.
        seed: Of the order and of all random changes. Two iterators with one seed make the same ones, as images and their masks
            need. None: drawn now, see `lamella.utils.set_random_seed`.

    Attributes:
        epoch: Passes done, by on_epoch_end or by iterating. Within fit the pass follows from the training's step instead.
        batch_index: Of the next batch when iterating.
        total_batches_seen: By this process.

    Source: keras-preprocessing 1.1.0.

    Deviation:  Keras draws from NumPy's global state, so that images depend on the number of workers and on timing, and worker
        processes draw alike. Here numbers are keyed by (seed, pass, sample).
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        self.n = n
        self.batch_size = checked_count("batch_size", batch_size)
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        self.batch_index = 0
        self.total_batches_seen = 0
        self._key = random.next_seed("images") if seed is None else int(seed) % 2**64
        self._begun = False  # whether iterating has given a batch of this epoch
        self._make_unpickled()

    def _make_unpickled(self) -> None:
        self.lock = threading.Lock()
        self.index_generator = self._flow_index()
        self._order: tuple[int, Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("lock", "index_generator", "_order")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_unpickled()

    @property
    def index_array(self) -> Array:
        """The order of the samples: [n] indices, of the pass that a batch is being prepared for, else of `epoch`."""
        return self._ordered(self._number())

    def __getitem__(self, idx: int) -> Any:
        """The batch at `idx`. Raises ValueError for one that is not there."""
        if not -len(self) <= idx < len(self):
            raise ValueError(f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}")
        with self.lock:
            self.total_batches_seen += 1
        start = idx % len(self) * self.batch_size
        return self._get_batches_of_transformed_samples(self.index_array[start : start + self.batch_size])

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def on_epoch_end(self) -> None:
        """The next pass has an order and random numbers of its own."""
        self.epoch += 1
        self._begun = False

    def reset(self) -> None:
        """Iterating begins anew with the first batch of a pass: a new one if it was within one."""
        self.batch_index = 0

    def __iter__(self) -> Iterates[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch, pass after pass. May be called by several threads."""
        with self.lock:
            samples = next(self.index_generator)
            number = self.epoch
        return within_pass(number, self._get_batches_of_transformed_samples, samples)

    def _flow_index(self) -> Iterates[Array]:
        """The indices of batch after batch."""
        while True:
            if self.batch_index == 0:
                if self._begun:
                    self.on_epoch_end()
                self._begun = True
            start = self.batch_index * self.batch_size
            order = self._ordered(self.epoch)
            self.batch_index = self.batch_index + 1 if start + self.batch_size < self.n else 0
            self.total_batches_seen += 1
            yield order[start : start + self.batch_size]

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        """The batch of the samples with these indices. Keras's name for what subclasses write."""
        raise NotImplementedError

    def preview(self, path: str | os.PathLike[str], count: int = 16) -> None:
        """Write a PNG with the first `count` images of the pass at hand side by side, as training gets them."""
        item = self._get_batches_of_transformed_samples(self.index_array[: checked_count("count", count)])
        x = item[0] if isinstance(item, tuple) else item
        images = x[0] if isinstance(x, list) else x
        if not len(images):
            raise ValueError(f"{type(self).__name__}.preview: there is no image")
        write_sheet(path, images, getattr(self, "data_format", "channels_last"))

    def draws(self) -> SampleDraws:
        """The random numbers of each sample, of the pass at hand."""
        return SampleDraws(self._key, self._number())

    def _ordered(self, number: int) -> Array:
        kept = self._order  # read once: other threads may be at another pass
        if kept is None or kept[0] != number:
            self._order = kept = number, order_of_samples(self.n, self._key, number, shuffle=self.shuffle)
        return kept[1]

    def _number(self) -> int:
        number = current_pass()
        return self.epoch if number is None else number
