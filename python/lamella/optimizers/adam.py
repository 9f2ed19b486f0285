"""Adam, AMSGrad and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.optimizers.arguments import epsilon_or_default
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State, shared


@register("optimizers", "adam")
class Adam(Optimizer):
    """m, v: moving averages of g and g*g;  p -= lr_t * m / (sqrt(v) + epsilon).

    lr_t = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t): epsilon is added to the uncorrected root ("epsilon hat"), as
    Keras 2.2.5 does; the paper's Algorithm 1 differs.

    Args:
        epsilon: None takes K.epsilon() as it is now.
        amsgrad: The largest v so far stands under the root.

    Source: Kingma & Ba 2014; Reddi et al. 2018 (on the uncorrected v); Keras 2.2.5.
    """

    def __init__(
        self,
        lr: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.decay = self.number("decay", decay)
        self.epsilon = epsilon_or_default(epsilon)
        self.initial_decay = float(self.decay)
        self.amsgrad = bool(amsgrad)
        self.slots = ("ms", "vs", "vhats") if self.amsgrad else ("ms", "vs")

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        beta_1, beta_2 = self.rounded(self.beta_1), self.rounded(self.beta_2)
        t = iterations + 1
        lr = self.decayed(iterations)
        rate = lr * sqrt(1.0 - beta_2**t) / (1.0 - beta_1**t)
        kernel = _kernels.amsgrad_update if self.amsgrad else _kernels.adam_update
        numbers = rate, self.shrinkage(lr), (beta_1, beta_2, self.epsilon)
        return [(kernel, (params, grads, *self._state.slots, *numbers, bounds))]

    def shrinkage(self, lr: float) -> float:
        """The share of each weight that a step takes off; `lr` is the decayed one."""
        return 0.0

    def _listed(self, state: State) -> list[Variable]:
        listed = super()._listed(state)
        if not self.amsgrad:
            # Keras saves one shape-(1,) zero per parameter in the place of AMSGrad's maxima.
            state.placeholders = state.placeholders or [np.zeros(1, state.dtype) for _ in state.shapes]
            listed += shared(state.placeholders, "vhats")
        return listed


@register("optimizers", "adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay: p -= lr_d * weight_decay * p + lr_t * m / (sqrt(v) + epsilon).

    lr_d = lr / (1 + decay * iterations), the learning rate without the correction for bias, and lr_t, m, v are Adam's. The
    decay is no part of the gradient: neither m and v nor clipping see it. All arrays are decayed, biases too.
    torch.optim.AdamW is the same rule with the same weight_decay; its epsilon is added to the corrected root, as the
    paper has it, so eps = epsilon / sqrt(1 - beta_2^t). TensorFlow Addons' AdamW does not multiply by lr: its weight_decay
    is lr * weight_decay here, and stays when lr changes. The paper's is that too, both multiplied by a common schedule.

    Args:
        weight_decay: A number >= 0; may be changed during training, like lr. The others are Adam's.

    Source: Loshchilov & Hutter 2019 (arXiv 1711.05101), Algorithm 2; not in Keras 2.
    """

    def __init__(
        self,
        lr: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        weight_decay: float = 0.01,
        **kwargs: float | None,
    ) -> None:
        super().__init__(lr, beta_1, beta_2, epsilon, decay, amsgrad, **kwargs)
        self.weight_decay = self.number("weight_decay", weight_decay)
        if float(self.weight_decay) < 0:
            raise ValueError(f"AdamW: expected weight_decay to be a number >= 0, got {weight_decay!r}")

    def shrinkage(self, lr: float) -> float:
        return lr * float(self.weight_decay)
