"""Exponential moving averages of weights, beside any optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamella import _kernels
from lamella.core.types import Array
from lamella.optimizers import arrays, memory


class WeightAverage:
    """The average of each weight over the steps: a = momentum * a + (1 - momentum) * p. Predictions by it are often better.

    It works beside any optimizer and knows none: call `update` after each step. One kernel call updates the averages of all
    arrays. The weights may be NumPy arrays or other memory that optimizers take, such as CPU tensors of torch.

        average = WeightAverage(params, momentum=0.999)
        optimizer.step(params, grads)
        average.update(params)
        ...
        average.swap(params)  # evaluate with the averages
        average.swap(params)  # continue to train

    In `fit`, where Keras 3 has use_ema, a callback updates the averages:

        weights = [w.value for w in model.trainable_weights]
        average = WeightAverage(weights)
        model.fit(x, y, callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: average.update(weights))])
        average.copy_to(weights)

    Args:
        params: The weights: all float32 or all float64, C-contiguous. The averages begin as copies of them.
        momentum: The factor of the old average in an update, in [0, 1].
        warmup: Whether update number n keeps at most (1 + n) / (10 + n), so that the weights before the first steps
            soon have little effect.

    Raises:
        TypeError, ValueError: An array is not accepted as a parameter of an optimizer, or momentum is outside of [0, 1].

    Source: Polyak & Juditsky 1992; the warmup is that of tf.train.ExponentialMovingAverage with num_updates.
    """

    def __init__(self, params: Sequence[Any], momentum: float = 0.99, *, warmup: bool = False) -> None:
        self.momentum = momentum
        self.warmup = bool(warmup)
        self.updates = 0
        self._averages = [np.array(p) for p in self._checked(params)]

    @property
    def momentum(self) -> float:
        """The factor of the old average in an update. It may be changed between updates."""
        return self._momentum

    @momentum.setter
    def momentum(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"WeightAverage: expected momentum in [0, 1], got {value!r}")
        self._momentum = float(value)

    @property
    def averages(self) -> list[Array]:
        """The arrays of the averages themselves, in the order of the weights."""
        return list(self._averages)

    def update(self, params: Sequence[Any]) -> None:
        """Move the averages towards the weights.

        Args:
            params: The weights, in the order of the constructor's. They may be other arrays than those.

        Raises:
            TypeError, ValueError: An array is not accepted, has another shape or dtype, or shares memory with an average. No
                average is changed.
        """
        keep = self.momentum
        if self.warmup:
            keep = min(keep, (1 + self.updates) / (10 + self.updates))
        _kernels.average_update(self._averages, self._fitting(params), keep)
        self.updates += 1

    def copy_to(self, params: Sequence[Any]) -> None:
        """Write the averages into the weights.

        Args:
            params: As in `update`.

        Raises:
            TypeError, ValueError: As in `update`. No weight is changed.
        """
        params = list(params)
        for p, average in zip(self._fitting(params), self._averages):
            p[...] = average
        memory.note_change(params)

    def swap(self, params: Sequence[Any]) -> None:
        """Exchange the values of weights and averages. A second call restores both.

        Args:
            params: As in `update`.

        Raises:
            TypeError, ValueError: As in `update`. Nothing is changed.
        """
        params = list(params)
        for p, average in zip(self._fitting(params), self._averages):
            kept = p.copy()
            p[...] = average
            average[...] = kept
        memory.note_change(params)

    def get_state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of the averages and the number of updates, by name."""
        named = {f"averages_{i}:0": average.copy() for i, average in enumerate(self._averages)}
        return {"updates:0": np.asarray(self.updates, np.int64), **named}

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Set the state that `get_state` returned.

        Args:
            state: Arrays by name.

        Raises:
            ValueError: Names or shapes differ, or an array is not of numbers. Nothing is set.
        """
        wanted = self.get_state()
        if set(wanted) != set(state):
            raise ValueError(f"WeightAverage: expected a state of {[*wanted]}, got {[*state]}")
        new = {name: np.asarray(state[name], array.dtype) for name, array in wanted.items()}
        for name, array in wanted.items():
            if new[name].shape != array.shape:
                raise ValueError(f"WeightAverage: expected {name!r} of shape {array.shape}, got {new[name].shape}")
        self.updates = int(new["updates:0"])
        for i, average in enumerate(self._averages):
            average[...] = new[f"averages_{i}:0"]

    def _checked(self, params: Sequence[Any]) -> list[Array]:
        found = list(memory.arrays_over("WeightAverage", "parameter", list(params)))
        arrays.check_params("WeightAverage", found)
        return found

    def _fitting(self, params: Sequence[Any]) -> list[Array]:
        found = self._checked(params)
        if len(found) != len(self._averages):
            raise ValueError(f"WeightAverage: expected {len(self._averages)} parameters, got {len(found)}")
        for i, (p, average) in enumerate(zip(found, self._averages)):
            if p.shape != average.shape or p.dtype != average.dtype:
                raise ValueError(
                    f"WeightAverage: expected parameter {i} of shape {average.shape} and dtype {average.dtype}, "
                    f"got {p.shape} and {p.dtype}"
                )
        named = [
            (f"{noun} {i}", a) for noun, some in (("average", self._averages), ("parameter", found)) for i, a in enumerate(some)
        ]
        arrays.refuse_overlap("WeightAverage", named)
        return found
