"""The rules with slots of few bits: AdamW, Lion and SGD, with torch's order of operations."""

from __future__ import annotations

import math
from typing import Any

from lamella import _kernels
from lamella.core.types import Array
from lamella.optimizers.narrow import Bytes, Narrow, Storage


class NarrowAdamW(Narrow):
    """AdamW of torch: p -= lr * weight_decay * p, then p -= lr * m' / (sqrt(v') + epsilon) with the corrected m' and v'.

    Args:
        lr: Learning rate.
        beta_1: Decay of m.
        beta_2: Decay of v.
        epsilon: Added to the corrected root.
        weight_decay: Decoupled; 0 for Adam.
        **options: The keywords of Narrow.

    Raises:
        ValueError: An argument is out of range. AMSGrad is not offered: maxima of rounded numbers would only grow.

    Source: Loshchilov & Hutter 2019, with torch's order of operations.
    """

    slots = ("ms", "vs")
    decays = ("beta_1", "beta_2")

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self.beta_1, self.beta_2, self.epsilon, self.weight_decay = beta_1, beta_2, epsilon, weight_decay
        self.check_numbers()

    def numbers(self) -> dict[str, float]:
        names = ("lr", "beta_1", "beta_2", "epsilon", "weight_decay")
        return {name: getattr(self, name) for name in names}

    def call(self, params: list[Array], grads: list[Array], slots: list[list[Bytes]], storage: Storage) -> None:
        t = self.iterations + 1
        rate, root = self.lr / (1 - self.beta_1**t), math.sqrt(1 - self.beta_2**t)
        numbers = rate, root, 0.0, 1 - self.lr * self.weight_decay
        moments = self.beta_1, self.beta_2, self.epsilon
        _kernels.narrow_adam_update(params, grads, slots[0], slots[1], *numbers, moments, storage)


class NarrowLion(Narrow):
    """Lion: p = (1 - lr*weight_decay)*p - lr * sign(beta_1*m + (1-beta_1)*g);  m = beta_2*m + (1-beta_2)*g.

    Args:
        lr: Learning rate.
        beta_1: Decay within the sign.
        beta_2: Decay of m.
        weight_decay: Decoupled.
        **options: The keywords of Narrow.

    Raises:
        ValueError: An argument is out of range.

    Source: Chen et al. 2023 (arXiv 2302.06675), Algorithm 2.
    """

    decays = ("beta_1", "beta_2")

    def __init__(
        self, lr: float = 0.0001, beta_1: float = 0.9, beta_2: float = 0.99, weight_decay: float = 0.0, **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self.beta_1, self.beta_2, self.weight_decay = beta_1, beta_2, weight_decay
        self.check_numbers()

    def numbers(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("lr", "beta_1", "beta_2", "weight_decay")}

    def call(self, params: list[Array], grads: list[Array], slots: list[list[Bytes]], storage: Storage) -> None:
        kept = 1 - self.lr * self.weight_decay
        _kernels.narrow_lion_update(params, grads, slots[0], self.lr, kept, self.beta_1, self.beta_2, storage)


class NarrowSGD(Narrow):
    """SGD of torch: m = momentum*m + g + weight_decay*p;  p -= lr*m, or with nesterov p -= lr * (g + weight_decay*p + momentum*m).

    Args:
        lr: Learning rate.
        momentum: Factor of m. m is kept also for momentum 0.
        nesterov: Whether to use Nesterov momentum.
        weight_decay: Added to the gradient.
        **options: The keywords of Narrow.

    Raises:
        ValueError: An argument is out of range.

    Source: torch.optim.SGD.
    """

    decays = ("momentum",)

    def __init__(
        self, lr: float = 0.01, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0, **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self.momentum, self.nesterov, self.weight_decay = momentum, bool(nesterov), weight_decay
        self.check_numbers()

    def numbers(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("lr", "momentum", "weight_decay")}

    def call(self, params: list[Array], grads: list[Array], slots: list[list[Bytes]], storage: Storage) -> None:
        numbers = self.lr, self.momentum, 1.0, int(self.nesterov), self.weight_decay
        _kernels.narrow_sgd_update(params, grads, slots[0], *numbers, storage)
