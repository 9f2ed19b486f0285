"""Nadam: Adam with Nesterov momentum, which follows a warm-up schedule."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds


@register("optimizers", "nadam")
class Nadam(Optimizer):
    """m, v: Adam's moving averages;  p -= lr * m' / (sqrt(v / (1 - beta_2^t)) + epsilon).

    m' = (1 - mu_t) * g / (1 - M_t) + mu_{t+1} * m / (1 - M_{t+1}), where mu_t = beta_1 * (1 - 0.5 * 0.96^(t *
    schedule_decay)) and M_t is the product of mu_1 to mu_t. Keras does not save M_t, so a training that continues from a file
    differs from an uninterrupted one. Here M_t is computed from `iterations`, and both are equal. There is no `decay`.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay of m.
        beta_2: Decay of v.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        schedule_decay: Exponent of the warm-up of the momentum.
        **kwargs: The arguments of Optimizer.

    Source: Dozat 2016; Keras 2.2.5.
    """

    slots = ("ms", "vs")

    def __init__(
        self,
        lr: LearningRate = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        schedule_decay: float = 0.004,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.epsilon = epsilon_or_default(epsilon)
        self.schedule_decay = float(self.number("schedule_decay", schedule_decay))
        self._product = 0, 1.0  # t, M_t

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        beta_1, beta_2 = self.rounded(self.beta_1), self.rounded(self.beta_2)
        t = iterations + 1
        mu, next_mu = self._momentum(beta_1, t), self._momentum(beta_1, t + 1)
        product = self._momenta_until(beta_1, iterations) * mu
        lr = self.rate_of(iterations)
        along_g = lr * (1.0 - mu) / (1.0 - product)
        along_m = lr * next_mu / (1.0 - product * next_mu)
        correction = 1.0 / (1.0 - beta_2**t)
        numbers = along_g, along_m, correction, (beta_1, beta_2, self.epsilon)
        kernel = _kernels.nadam_update, (params, grads, *self._state.slots, *numbers, bounds)
        return [kernel, (object.__setattr__, (self, "_product", (t, product)))]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """The same as Optimizer.set_weights. The product that Keras 2.3 saves after iterations is ignored: it is computed."""
        known = len(self.weights) if self.weights else None
        if len(weights) - 1 == known or (known is None and self._count(len(weights) - 1) is None):
            weights = [*weights[:1], *weights[2:]]
        super().set_weights(weights)

    def _momentum(self, beta_1: float, t: int) -> float:
        warmth: float = 0.96 ** (t * self.schedule_decay)
        return beta_1 * (1.0 - 0.5 * warmth)

    def _momenta_until(self, beta_1: float, t: int) -> float:
        """M_t, from the value of the last step, or computed from the beginning if `iterations` was set."""
        known, product = self._product
        if known == t:
            return product
        product = 1.0
        for i in range(1, t + 1):
            product *= self._momentum(beta_1, i)
            if product == 0.0:
                break  # after some 7,000 steps with beta_1 = 0.9
        return product
