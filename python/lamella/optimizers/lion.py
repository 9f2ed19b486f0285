"""Lion: the step of each weight has the same size and the sign of a moving average."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import weight_decay_of
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds


@register("optimizers", "lion")
class Lion(Optimizer):
    """p -= lr_d * (sign(beta_1*m + (1-beta_1)*g) + weight_decay * p);  m = beta_2*m + (1-beta_2)*g.

    lr_d = lr / (1 + decay * iterations). It has one slot, Adam has two. Steps are larger than Adam's, so lr should be 3 to 10
    times smaller, and weight_decay larger by the same factor. sign(0) is 0. `clipnorm` changes the contribution of a gradient to
    the sum and to m, not the size of a step.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay within the sign.
        beta_2: Decay of m.
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        weight_decay: Number >= 0, decoupled as in AdamW. It may be changed during training, like lr.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: weight_decay is below 0.

    Source: Chen et al. 2023 (arXiv 2302.06675), Algorithm 2; not in Keras 2.
    """

    slots = ("ms",)

    def __init__(
        self,
        lr: LearningRate = 0.0001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        decay: float = 0.0,
        weight_decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)
        self.weight_decay = weight_decay_of(self, weight_decay)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr = self.decayed(iterations)
        numbers = lr, 1.0 - lr * float(self.weight_decay), self.rounded(self.beta_1), self.rounded(self.beta_2)
        return [(_kernels.lion_update, (params, grads, *self._state.slots, *numbers, bounds))]
