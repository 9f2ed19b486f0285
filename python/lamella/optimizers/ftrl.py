"""Ftrl: follow the regularized leader, for sparse linear models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import bound
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State


@register("optimizers", "ftrl")
class Ftrl(Optimizer):
    """The weights follow from the sum z of all gradients so far; a weight whose z is small is exactly 0.

    With power = -learning_rate_power, n = a + g*g and l2 = l2_regularization_strength + beta / (2*lr):

        z += g + 2*l2_shrinkage_regularization_strength*p - (n^power - a^power) / lr * p;  a = n
        p = (sign(z)*l1_regularization_strength - z) / (n^power / lr + 2*l2), or 0 if |z| <= l1_regularization_strength

    Args:
        lr: Learning rate above 0: a number or a LearningRateSchedule. The paper's alpha.
        learning_rate_power: Number <= 0: -0.5 is the paper's rule, 0 a learning rate that does not depend on the gradients.
        initial_accumulator_value: The initial value of a, >= 0.
        l1_regularization_strength: Number >= 0; the paper's lambda_1.
        l2_regularization_strength: Number >= 0; half of the paper's lambda_2.
        l2_shrinkage_regularization_strength: Number >= 0; a penalty of large weights that does not enter a.
        beta: Number >= 0; the paper's beta.
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: A number is out of its range. In a step: the learning rate is not above 0.

    Source: McMahan et al. 2013, "Ad click prediction", Algorithm 1; tf.keras of TensorFlow 2.10. Not in Keras 2.2.5.
    """

    slots = ("accumulators", "linears")

    def __init__(
        self,
        lr: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.learning_rate_power = self.number("learning_rate_power", learning_rate_power)
        if float(self.learning_rate_power) > 0:
            raise ValueError(f"Ftrl: expected learning_rate_power to be a number <= 0, got {learning_rate_power!r}")
        self.initial_accumulator_value = bound("initial_accumulator_value", initial_accumulator_value) or 0.0
        self.l1_regularization_strength = bound("l1_regularization_strength", l1_regularization_strength) or 0.0
        self.l2_regularization_strength = bound("l2_regularization_strength", l2_regularization_strength) or 0.0
        shrinkage = bound("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength)
        self.l2_shrinkage_regularization_strength = shrinkage or 0.0
        self.beta = bound("beta", beta) or 0.0
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)

    def _zeros(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> State:
        state = super()._zeros(shapes, dtype)
        for accumulator in state.slots[0]:
            accumulator.fill(self.initial_accumulator_value)
        return state

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr = self.decayed(iterations)
        if not lr > 0:
            raise ValueError(f"Ftrl: expected a learning rate above 0, got {lr!r}")
        l2 = self.l2_regularization_strength + self.beta / (2 * lr)
        power = -self.rounded(self.learning_rate_power)
        penalties = self.l1_regularization_strength, l2, self.l2_shrinkage_regularization_strength
        return [(_kernels.ftrl_update, (params, grads, *self._state.slots, lr, power, *penalties, bounds))]
