"""Adafactor: second moments of a matrix are stored as means over its rows and columns, in memory for n + m numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import weight_decay_of
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State


@register("optimizers", "adafactor")
class Adafactor(Optimizer):
    """p = (1 - lr*weight_decay)*p - a * u / max(1, rms(u) / clip_threshold), where rms is the root of the mean of squares.

    a = max(epsilon_2, rms(p)) * min(lr_d, 1 / sqrt(t)) in step t, lr_d = lr / (1 + decay * iterations). u = g / max(sqrt(v),
    epsilon_1). For arrays of two axes and more, the last two are matrices, r and c are moving averages of the means of g*g over
    each row and each column, and v = r * c / mean(r). For other arrays v is the moving average of g*g. The averages forget
    1 - t^beta_2_decay of what they had.

    Args:
        lr: Largest relative step: a number or a LearningRateSchedule. A step changes p by about this part of its size.
        beta_2_decay: Number <= 0.
        epsilon_1: Smallest divisor of g, >= 0. torch's default is the resolution of the dtype, 1.2e-7 for float32.
        epsilon_2: Smallest size of p that a step assumes, >= 0, so that zeros can be left.
        clip_threshold: Largest rms(u), >= 1.
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        weight_decay: Number >= 0, decoupled. It may be changed during training, like lr.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: An argument is out of range.

    Source: Shazeer & Stern 2018 (arXiv 1804.04235), with the order of operations of torch.optim.Adafactor 2.13; the names are
    those of Keras 3. Not in Keras 2.
    """

    slots = ("rows", "columns")

    def __init__(
        self,
        lr: LearningRate = 0.01,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        decay: float = 0.0,
        weight_decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_2_decay = float(self.number("beta_2_decay", beta_2_decay))
        self.epsilon_1 = self._at_least_0("epsilon_1", epsilon_1)
        self.epsilon_2 = self._at_least_0("epsilon_2", epsilon_2)
        self.clip_threshold = float(self.number("clip_threshold", clip_threshold))
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)
        self.weight_decay = weight_decay_of(self, weight_decay)
        if self.beta_2_decay > 0:
            raise ValueError(f"Adafactor: expected beta_2_decay to be a number <= 0, got {beta_2_decay!r}")
        if self.clip_threshold < 1:
            raise ValueError(f"Adafactor: expected clip_threshold to be a number >= 1, got {clip_threshold!r}")

    def _at_least_0(self, name: str, value: float) -> float:
        number = float(self.number(name, value))
        if number < 0:
            raise ValueError(f"Adafactor: expected {name} to be a number >= 0, got {value!r}")
        return number

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        t, lr = iterations + 1, self.decayed(iterations)
        kept, take = 1 - lr * float(self.weight_decay), t**self.beta_2_decay
        numbers = min(lr, t**-0.5), kept, take, self.epsilon_1, self.epsilon_2, self.clip_threshold
        return [(_kernels.adafactor_update, (params, grads, *self._state.slots, *numbers, bounds))]

    def _zeros(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> State:
        state = super()._zeros([], dtype)
        state.shapes = list(shapes)
        state.slots = [[np.zeros(shape, dtype) for shape in map(of, shapes)] for of in (_rows, _columns)]
        if (self._every or 1) > 1:
            state.sums = [np.zeros(shape, dtype) for shape in shapes]
        return state

    def _shapes_of(self, weights: Sequence[ArrayLike], number: int) -> list[tuple[int, ...]]:
        pairs = zip(map(np.shape, weights[:number]), map(np.shape, weights[number : 2 * number]))
        return [(*row[:-1], column[-1]) if len(row) > 1 and len(row) == len(column) else row for row, column in pairs]


def _rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-1], 1) if len(shape) > 1 else shape


def _columns(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], 1, shape[-1]) if len(shape) > 1 else (0,)
