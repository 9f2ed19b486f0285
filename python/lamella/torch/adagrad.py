"""Adagrad of torch.optim."""

from __future__ import annotations

from typing import Any

import torch

from lamella import _kernels
from lamella.torch.rule import Kernel, Rule


class Adagrad(Rule, torch.optim.Adagrad):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.Adagrad with its arguments; differentiable must be False, foreach and fused have no effect.

    State: step and sum. Gradients must be dense. The bits are those of torch with the exceptions of Adam.

    Raises:
        ValueError: In the step, for differentiable=True and a hyperparameter that is not finite.

    Source: torch 2.13, `_single_tensor_adagrad`.
    """

    kernel: Kernel = _kernels.torch_adagrad_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def start(self, name: str) -> float:
        return float(self.defaults["initial_accumulator_value"])

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        lr, decay, eps, l2 = _kernels.finite(self, group, "lr", "lr_decay", "eps", "weight_decay")
        return lr / (1 + steps * decay), eps, l2
