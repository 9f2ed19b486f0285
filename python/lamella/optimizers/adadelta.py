"""Adadelta: the length of a step follows from the steps before, so that lr has no unit."""

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


@register("optimizers", "adadelta")
class Adadelta(Optimizer):
    """a = rho*a + (1-rho)*g*g;  u = g * sqrt(d + epsilon) / sqrt(a + epsilon);  p -= lr*u;  d = rho*d + (1-rho)*u*u.

    u is computed with the d of the step before. epsilon is added inside both roots.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule. 1 is the paper's rule.
        rho: Decay of the moving averages.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        **kwargs: The arguments of Optimizer.

    Source: Zeiler 2012 (arXiv 1212.5701); Keras 2.2.5.
    """

    slots = ("accumulators", "delta_accumulators")
    lists_iterations = False

    def __init__(
        self,
        lr: LearningRate = 1.0,
        rho: float = 0.95,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.rho = self.number("rho", rho)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr, rho = self.decayed(iterations), self.rounded(self.rho)
        return [(_kernels.adadelta_update, (params, grads, *self._state.slots, lr, rho, self.epsilon, bounds))]
