"""RMSprop: AdaGrad with a moving average instead of a sum."""

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


@register("optimizers", "rmsprop")
class RMSprop(Optimizer):
    """a = rho*a + (1-rho)*g*g;  p -= lr * g / (sqrt(a) + epsilon).

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        rho: Decay of the moving average.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        **kwargs: The arguments of Optimizer.

    Source: Tieleman & Hinton 2012, lecture 6.5; Keras 2.2.5: not centered, without momentum, epsilon outside the root.
    """

    slots = ("accumulators",)
    lists_iterations = False

    def __init__(
        self,
        lr: LearningRate = 0.001,
        rho: float = 0.9,
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
        return [(_kernels.rmsprop_update, (params, grads, *self._state.slots, lr, rho, self.epsilon, bounds))]
