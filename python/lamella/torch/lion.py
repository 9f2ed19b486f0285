"""Lion: the step of each weight has the same size and the sign of a moving average."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamella import _kernels
from lamella.torch.rule import Kernel, Rule


class Lion(Rule):
    """p *= 1 - lr * weight_decay;  p -= lr * sign(beta1*m + (1-beta1)*g);  m = beta2*m + (1-beta2)*g.

    State: exp_avg, half as much memory as Adam's. Steps are larger than Adam's, so lr is 3 to 10 times smaller, and weight_decay
    larger by the same factor. sign(0) is 0.

    Args:
        params: Parameters, or groups of them, as in torch.optim.
        lr: Learning rate, >= 0.
        betas: Decay within the sign, and decay of the average; both in [0, 1).
        weight_decay: Decoupled weight decay, >= 0.
        maximize: Whether steps go up.
        foreach: Accepted as in torch.optim; it has no effect.
        capturable: Must be False.
        differentiable: Must be False.
        fused: Accepted as in torch.optim; it has no effect.

    Raises:
        ValueError: An argument is outside its range, or, in the step, not finite.

    Source: Chen et al. 2023 (arXiv 2302.06675), Algorithm 2; not in torch 2.13.
    """

    kernel: Kernel = _kernels.lion_update
    counted = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        for name, number in (("lr", lr), ("weight_decay", weight_decay)):
            if not number >= 0.0:
                raise ValueError(f"Lion: expected {name} >= 0, got {number}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Lion: expected betas in [0, 1), got {beta} at index {i}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg",)

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        lr, decay, beta1, beta2 = _kernels.finite(self, group, "lr", "weight_decay", "betas")
        return lr, 1 - lr * decay, beta1, beta2
