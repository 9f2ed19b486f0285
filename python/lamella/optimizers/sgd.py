"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.atomic import Call
from lamella.core.registry import register
from lamella.core.rows_gradient import dense
from lamella.core.types import Array
from lamella.optimizers import rows
from lamella.optimizers.base import Optimizer
from lamella.optimizers.schedules import LearningRate
from lamella.optimizers.state import Bounds, State


@register("optimizers", "sgd")
class SGD(Optimizer):
    """v = momentum*v - lr*g;  p += v, or with nesterov p += momentum*v - lr*g.

    Keras also keeps and saves the moments v if momentum is 0; then they are -lr*g of the last step. Here they are computed only
    when `weights` is read or momentum is raised, from the gradients of the last step, which are kept until the next one. So
    read the weights before you overwrite these gradients.

    Args:
        lr: Learning rate: a number or a LearningRateSchedule.
        momentum: Factor of v.
        decay: The learning rate of a step is lr / (1 + decay * iterations).
        nesterov: Whether to use Nesterov momentum.
        **kwargs: The arguments of Optimizer.

    Source: Keras 2.2.5; Nesterov's form of Sutskever et al. 2013.
    """

    slots = ("moments",)

    def __init__(
        self, lr: LearningRate = 0.01, momentum: float = 0.0, decay: float = 0.0, nesterov: bool = False, **kwargs: float | None
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.rate(lr)
        self.momentum = self.number("momentum", momentum)
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)
        self.nesterov = bool(nesterov)

    def calls(self, params: Sequence[Array], grads: Sequence[Array], iterations: int, bounds: Bounds) -> list[Call]:
        lr, momentum = self.decayed(iterations), float(self.momentum)
        state = self._state
        # Sums of accumulated gradients are overwritten by the next call, so they cannot be kept.
        if momentum != 0 or bounds[0]:
            self._apply_deferred(state)
            return [(_kernels.sgd_update, (params, grads, *state.slots, lr, momentum, int(self.nesterov), bounds))]
        calls = rows.calls(_kernels.sgd_update, params, grads, (), ([], lr, 0.0, 0, bounds))
        return [*calls, (setattr, (state, "deferred", (list(grads), lr, bounds)))]

    def skips_zeros(self) -> bool:
        return float(self.momentum) == 0

    def _apply_deferred(self, state: State) -> None:
        if state.deferred is not None:
            grads, lr, bounds = state.deferred
            (moments,) = state.slots
            for m in moments:
                m.fill(0)
            _kernels.sgd_update(moments, dense(grads), [], lr, 0.0, 0, bounds)  # 0 - lr*g
            state.deferred = None
