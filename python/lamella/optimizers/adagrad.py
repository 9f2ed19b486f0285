"""AdaGrad: the learning rate of each weight falls with the sum of its squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers import rows
from lamella.optimizers.arguments import bound, epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State

_SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)


@register("optimizers", "adagrad")
class Adagrad(Optimizer):
    """a += g*g;  p -= lr * g / (sqrt(a) + epsilon).

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        initial_accumulator_value: The initial value of a, >= 0: 0 in Keras 2.2.5, 0.1 in TensorFlow.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: initial_accumulator_value is below 0.

    Source: Duchi et al. 2011; Keras 2.2.5.
    """

    slots = ("accumulators",)
    lists_iterations = False
    added = ("initial_accumulator_value",)

    def __init__(
        self,
        lr: LearningRate = 0.01,
        epsilon: float | None = None,
        decay: float = 0.0,
        *,
        initial_accumulator_value: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)
        self.initial_accumulator_value = bound("initial_accumulator_value", initial_accumulator_value) or 0.0

    def _zeros(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> State:
        state = super()._zeros(shapes, dtype)
        if self.initial_accumulator_value:
            for accumulator in state.slots[0]:
                accumulator.fill(self.initial_accumulator_value)
        return state

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr = self.decayed(iterations)
        return rows.calls(_kernels.adagrad_update, params, grads, self._state.slots, (lr, self.epsilon, bounds))

    def skips_zeros(self) -> bool:
        return self.epsilon > _SMALLEST_NORMAL  # with an epsilon of 0, a weight without gradients so far gives 0 / 0
