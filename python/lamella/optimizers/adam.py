"""Adam, AMSGrad and AdamW."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.types import Array
from lamella.core.variable import Variable
from lamella.optimizers.arguments import epsilon_or_default, weight_decay_of
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State, shared


@register("optimizers", "adam")
class Adam(Optimizer):
    """m, v: moving averages of g and g*g;  p -= lr_t * m / (sqrt(v) + epsilon).

    lr_t = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t). As in Keras 2.2.5, epsilon is added to the uncorrected root ("epsilon
    hat"); Algorithm 1 of the paper differs.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay of m.
        beta_2: Decay of v.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        amsgrad: Whether the root is of the largest v so far instead of v.
        **kwargs: The arguments of Optimizer.

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
        """The fraction of each weight that weight decay subtracts in a step.

        Args:
            lr: The learning rate of the step, after decay.
        """
        return 0.0

    def set_state(self, state: Mapping[str, ArrayLike]) -> None:
        """As the base's; the state of an Adam without amsgrad continues in one with it, and the other way round.

        The largest v so far begins with the v of the state.
        """
        if any(name.startswith("vhats_") for name in state):
            state = {name: self._maxima(name, array, state) for name, array in state.items()}
        super().set_state(state)

    def _maxima(self, name: str, array: ArrayLike, state: Mapping[str, ArrayLike]) -> ArrayLike:
        """The array of a name for this optimizer, which has maxima or the placeholders that Keras saves instead."""
        v = state.get(name.replace("vhats_", "vs_"))
        if not name.startswith("vhats_") or v is None:
            return array
        of_adam = np.shape(array) == (1,) and not np.any(array)
        if self.amsgrad:
            return v if of_adam else array
        return array if of_adam else np.zeros(1)

    def _listed(self, state: State) -> list[Variable]:
        listed = super()._listed(state)
        if not self.amsgrad:
            # Without amsgrad, Keras saves a zero of shape (1,) for each parameter instead of the maxima.
            state.placeholders = state.placeholders or [np.zeros(1, state.dtype) for _ in state.shapes]
            listed += shared(state.placeholders, "vhats")
        return listed


@register("optimizers", "adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay: p -= lr_d * weight_decay * p + lr_t * m / (sqrt(v) + epsilon).

    lr_d = lr / (1 + decay * iterations) is the learning rate without bias correction. lr_t, m and v are those of Adam. The
    weight decay is not part of the gradient: it does not enter m, v or clipping. It applies to all arrays, biases included.

    torch.optim.AdamW has the same rule and the same weight_decay. Its epsilon is added to the corrected root, as in the paper,
    so eps = epsilon / sqrt(1 - beta_2^t). AdamW of TensorFlow Addons does not multiply weight_decay by lr: its weight_decay is
    lr * weight_decay here, and does not follow changes of lr. So does the paper, with a schedule that multiplies both.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        beta_1: Decay of m.
        beta_2: Decay of v.
        epsilon: Number >= 0; None is the current value of K.epsilon().
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        amsgrad: Whether the root is of the largest v so far instead of v.
        weight_decay: Number >= 0. It may be changed during training, like lr.
        **kwargs: The arguments of Optimizer.

    Raises:
        ValueError: weight_decay is below 0.

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
        self.weight_decay = weight_decay_of(self, weight_decay)

    def shrinkage(self, lr: float) -> float:
        return lr * float(self.weight_decay)
