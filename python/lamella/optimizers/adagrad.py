"""AdaGrad: a learning rate for each weight that falls with the squares of its gradients so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.optimizers import rows
from lamella.optimizers.arguments import epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.state import Reading

_SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)


@register("optimizers", "adagrad")
class Adagrad(Optimizer):
    """a += g*g;  p -= lr * g / (sqrt(a) + epsilon), with a = 0 at the start.

    Args:
        epsilon: None takes K.epsilon() as it is now.

    Source: Duchi et al. 2011; Keras 2.2.5 (TensorFlow's own starts at a = 0.1).
    """

    slots = ("accumulators",)
    lists_iterations = False

    def __init__(self, lr: float = 0.01, epsilon: float | None = None, decay: float = 0.0, **kwargs: float | None) -> None:
        super().__init__(**kwargs)
        self.lr = self.number("lr", lr)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, reading: Reading) -> list[Call]:
        lr = self.decayed(iterations)
        return rows.calls(_kernels.adagrad_update, params, grads, self._state.slots, (lr, self.epsilon, *reading))

    def skips_zeros(self) -> bool:
        return self.epsilon > _SMALLEST_NORMAL  # else 0 / 0 where no gradient came yet
