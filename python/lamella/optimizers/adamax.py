"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds


@register("optimizers", "adamax")
class Adamax(Optimizer):
    """m: moving average of g;  u = max(beta_2*u, |g|);  p -= lr / (1 - beta_1^t) * m / (u + epsilon).

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay of m.
        beta_2: Decay of u.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        **kwargs: The arguments of Optimizer.

    Source: Kingma & Ba 2014, section 7.1; Keras 2.2.5 (the paper has no epsilon).
    """

    slots = ("ms", "us")

    def __init__(
        self,
        lr: LearningRate = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        beta_1, beta_2 = self.rounded(self.beta_1), self.rounded(self.beta_2)
        rate = self.decayed(iterations) / (1.0 - beta_1 ** (iterations + 1))
        moments = beta_1, beta_2, self.epsilon
        return [(_kernels.adamax_update, (params, grads, *self._state.slots, rate, moments, bounds))]
