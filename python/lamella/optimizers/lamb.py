"""LAMB: Adam's steps, each scaled to the norm of its array, for large batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers.arguments import epsilon_or_default, weight_decay_of
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds


@register("optimizers", "lamb")
class Lamb(Optimizer):
    """u = mc / (sqrt(vc) + epsilon) + weight_decay * p;  p -= lr_d * |p| / |u| * u, with the norms of each array.

    m and v are those of Adam, mc = m / (1 - beta_1^t) and vc = v / (1 - beta_2^t), lr_d = lr / (1 + decay * iterations). Where
    p or u is 0 in all elements, |p| / |u| is taken as 1. The paper's bounds of |p|, which it does not use in its experiments,
    are left out. Weight decay is part of u, so it applies to all arrays, and its size follows |p|.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay of m.
        beta_2: Decay of v.
        epsilon: Number >= 0; None is the current value of K.epsilon(). The paper has 1e-6.
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        weight_decay: Number >= 0. It may be changed during training, like lr.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: weight_decay is below 0.

    Source: You et al. 2020 (arXiv 1904.00962v5), Algorithm 2; not in Keras 2.
    """

    slots = ("ms", "vs")

    def __init__(
        self,
        lr: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        weight_decay: float = 0.0,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.epsilon = epsilon_or_default(epsilon)
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)
        self.weight_decay = weight_decay_of(self, weight_decay)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        beta_1, beta_2 = self.rounded(self.beta_1), self.rounded(self.beta_2)
        t = iterations + 1
        corrections = 1.0 / (1.0 - beta_1**t), 1.0 / (1.0 - beta_2**t)
        numbers = self.decayed(iterations), *corrections, float(self.weight_decay), (beta_1, beta_2, self.epsilon)
        return [(_kernels.lamb_update, (params, grads, *self._state.slots, *numbers, bounds))]

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """As the base's; also the state of an Adam or AdamW, whose m and v have the same meaning. Maxima are left out."""
        super().set_state({name: array for name, array in state.items() if not name.startswith("vhats_")})
