"""Iterator: batches of images, by index or in an endless iteration."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator as Iterates
from typing import Any

import numpy as np

from lamella.core import random
from lamella.core.checks import checked_count
from lamella.core.types import Array
from lamella.data.sequence import Sequence, current_pass, within_pass
from lamella.preprocessing.image.draws import SampleDraws, order_of_samples
from lamella.preprocessing.image.preview import write_sheet


class Iterator(Sequence):
    """Base class of the results of `flow`, `flow_from_directory` and `flow_from_dataframe`. Subclasses make the batches.

    It is a Sequence for fit, evaluate and predict, and also an iterator that repeats the data without end.

    Args:
        n: Number of samples.
        batch_size: Samples in a batch. The last batch of a pass may be smaller.
        shuffle: Whether each pass has a new order.
        seed: Seed of the order and of all random changes. Two iterators with the same seed make the same changes, as images and
            their masks need. None draws a seed now, see `lamella.utils.set_random_seed`.

    Attributes:
        epoch: The number of finished passes, counted by on_epoch_end and by iterating. Within fit, the pass is computed from the
            training step instead.
        batch_index: The index of the next batch when iterating.
        total_batches_seen: The number of batches that this process has made.

    Source: keras-preprocessing 1.1.0.

    A script may set `index_array` for the rest of a pass, and a subclass may override `_set_index_array`, which sets it for each
    pass. Some samples may then occur several times, or not at all.

    Deviation: Keras draws from NumPy's global state, so that images depend on the number of workers and on timing, and different
        worker processes draw the same numbers. In lamella the numbers depend only on (seed, pass, sample).
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
        self._first_key = random.next_seed("images") if seed is None else _as_key(seed)
        self._begun = False  # whether iterating has given a batch of this epoch
        self._own_order: Array | None = None  # of this pass, if a script or subclass has set it
        self._set_unpickled()

    def _set_unpickled(self) -> None:
        """Set the attributes that a pickle does not have."""
        self.lock = threading.Lock()
        self.index_generator = self._flow_index()
        # The last order that was made, and what it depends on. A script may set n, seed and shuffle.
        self._order: tuple[tuple[int, int, int, bool], Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        self._draw_own_order()  # else each worker process would draw another one
        return {name: value for name, value in vars(self).items() if name not in ("lock", "index_generator", "_order")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._set_unpickled()

    @property
    def index_array(self) -> Array:
        """The order of the samples, [n] indices, in the pass of the batch that is being prepared, else in the pass `epoch`."""
        return self._ordered(self._number())

    @index_array.setter
    def index_array(self, order: Array | None) -> None:
        self._own_order = None if order is None else np.asarray(order)

    def __getitem__(self, idx: int) -> Any:
        """The batch with the index `idx`. Raise ValueError if there is none."""
        if not -len(self) <= idx < len(self):
            raise ValueError(f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}")
        with self.lock:
            self.total_batches_seen += 1
            self._draw_own_order()
        start = idx % len(self) * self.batch_size
        return self._get_batches_of_transformed_samples(self.index_array[start : start + self.batch_size])

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def on_epoch_end(self) -> None:
        """Begin the next pass, which has a new order and new random numbers."""
        self.epoch += 1
        self._begun = False
        self._own_order = None
        self._draw_own_order()

    def _set_index_array(self) -> None:
        """Begin the next pass, with a new order if `shuffle` is True. Generators of scripts that join iterators call it.

        In an override it only makes the usual order of this pass, for which the override is called.
        """
        if self._overridden():
            self._own_order = self._usual_order(self._number())
        else:
            self.on_epoch_end()

    def _overridden(self) -> bool:
        return "_set_index_array" in vars(self) or type(self)._set_index_array is not Iterator._set_index_array

    def _draw_own_order(self) -> None:
        """Call the override of `_set_index_array` if there is one and this pass has no order yet."""
        if self._own_order is None and self._overridden():
            self._set_index_array()

    def reset(self) -> None:
        """Iterate from the first batch again: of the next pass if this one has given a batch, else of this one."""
        self.batch_index = 0

    def __iter__(self) -> Iterates[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self) -> Any:
        """The next batch. After the last batch of a pass, the next pass begins. Several threads may call it.

        Raises:
            ValueError: There is no sample.
        """
        if not self.n:
            raise ValueError(f"{type(self).__name__}: there is no sample to make batches of")
        with self.lock:
            samples = next(self.index_generator)
            number = self.epoch
        return within_pass(number, self._get_batches_of_transformed_samples, samples)

    def _flow_index(self) -> Iterates[Array]:
        """Generate the indices of each batch, without end."""
        while True:
            if self.batch_index == 0:
                if self._begun:
                    self.on_epoch_end()
                self._begun = True
                self._draw_own_order()
            start = self.batch_index * self.batch_size
            order = self._ordered(self.epoch)
            self.batch_index = self.batch_index + 1 if start + self.batch_size < self.n else 0
            self.total_batches_seen += 1
            yield order[start : start + self.batch_size]

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        """The batch of the samples with these indices. Subclasses implement it; the name is Keras's."""
        raise NotImplementedError

    def preview(self, path: str | os.PathLike[str], count: int = 16) -> None:
        """Write a PNG with the first `count` images of the current pass, side by side, as training gets them.

        Args:
            path: Path of the file.
            count: Number of images.

        Raises:
            ValueError: There is no image.
        """
        item = self._get_batches_of_transformed_samples(self.index_array[: checked_count("count", count)])
        x = item[0] if isinstance(item, tuple) else item
        images = x[0] if isinstance(x, list) else x
        if not len(images):
            raise ValueError(f"{type(self).__name__}.preview: there is no image")
        write_sheet(path, images, getattr(self, "data_format", "channels_last"))

    def draws(self) -> SampleDraws:
        """The random numbers of each sample in the current pass."""
        return SampleDraws(self._key(), self._number())

    def _key(self) -> int:
        return self._first_key if self.seed is None else _as_key(self.seed)

    def _ordered(self, number: int) -> Array:
        return self._usual_order(number) if self._own_order is None else self._own_order

    def _usual_order(self, number: int) -> Array:
        made_of = self.n, self._key(), number, self.shuffle
        kept = self._order  # read only once, because another thread with another pass may set it
        if kept is None or kept[0] != made_of:
            self._order = kept = made_of, order_of_samples(self.n, self._key(), number, shuffle=self.shuffle)
        return kept[1]

    def _number(self) -> int:
        number = current_pass()
        return self.epoch if number is None else number


def _as_key(seed: int) -> int:
    return int(seed) % 2**64
