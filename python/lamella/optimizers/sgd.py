"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence

from lamella import _kernels
from lamella.core.registry import register
from lamella.optimizers.arrays import Array
from lamella.optimizers.base import Optimizer


@register("optimizers", "sgd")
class SGD(Optimizer):
    """v = momentum*v - lr*g;  p += v, or with nesterov p += momentum*v - lr*g.

    The moments are kept even without momentum: Keras saves them, and momentum may be raised during training.
    Source:  Keras 2.2.5; Nesterov's form of Sutskever et al. 2013.
    """

    slots = ("moments",)

    def __init__(
        self, lr: float = 0.01, momentum: float = 0.0, decay: float = 0.0, nesterov: bool = False, **kwargs: float | None
    ) -> None:
        super().__init__(**kwargs)
        self.lr = self.number("lr", lr)
        self.momentum = self.number("momentum", momentum)
        self.decay = self.number("decay", decay)
        self.initial_decay = float(self.decay)
        self.nesterov = bool(nesterov)

    def update(
        self, params: Sequence[Array], grads: Sequence[Array], iterations: int, scale: float, clip: float
    ) -> None:
        lr = self.decayed(iterations)
        _kernels.sgd_update(params, grads, self._state[0], lr, float(self.momentum), int(self.nesterov), scale, clip)
