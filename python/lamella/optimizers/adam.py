"""Adam and AMSGrad."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from lamella import _kernels
from lamella.core import config
from lamella.core.registry import register
from lamella.core.variable import Variable
from lamella.optimizers.arrays import Array
from lamella.optimizers.base import Optimizer, share


@register("optimizers", "adam")
class Adam(Optimizer):
    """m, v: moving averages of g and g*g;  p -= lr_t * m / (sqrt(v) + epsilon).

    lr_t = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t): epsilon is added to the uncorrected root ("epsilon hat"), as
    Keras 2.2.5 does; the paper's Algorithm 1 differs.

    Args:  epsilon: None takes K.epsilon() as it is now.  amsgrad: the largest v so far stands under the root.
    Source:  Kingma & Ba 2014; Reddi et al. 2018 (on the uncorrected v); Keras 2.2.5.
    """

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        **kwargs: float | None,
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.number("lr", lr)
        self.beta_1 = self.number("beta_1", beta_1)
        self.beta_2 = self.number("beta_2", beta_2)
        self.decay = self.number("decay", decay)
        self.epsilon = config.epsilon() if epsilon is None else float(epsilon)
        self.initial_decay = float(self.decay)
        self.amsgrad = bool(amsgrad)
        self.slots = ("ms", "vs", "vhats") if self.amsgrad else ("ms", "vs")

    def update(
        self, params: Sequence[Array], grads: Sequence[Array], iterations: int, scale: float, clip: float
    ) -> None:
        beta_1 = self.rounded(self.beta_1)
        beta_2 = self.rounded(self.beta_2)
        t = iterations + 1
        lr = self.decayed(iterations) * sqrt(1.0 - beta_2**t) / (1.0 - beta_1**t)
        kernel = _kernels.amsgrad_update if self.amsgrad else _kernels.adam_update
        kernel(params, grads, *self._state, lr, beta_1, beta_2, self.epsilon, scale, clip)

    def _listed(self, params: Sequence[Array], state: list[list[Array]]) -> list[Variable]:
        listed = super()._listed(params, state)
        if not self.amsgrad:
            # Keras saves one shape-(1,) zero per parameter in the place of AMSGrad's maxima.
            listed += [share(np.zeros(1, p.dtype), f"vhats_{i}:0") for i, p in enumerate(params)]
        return listed
