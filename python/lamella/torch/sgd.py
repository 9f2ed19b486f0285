"""SGD of torch.optim."""

from __future__ import annotations

from typing import Any

import torch

from lamella import _kernels
from lamella.torch.rule import Kernel, Rule


class SGD(Rule, torch.optim.SGD):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.SGD with its arguments; differentiable must be False, foreach and fused have no effect.

    State: momentum_buffer, with a momentum. The first step sets it to the gradient, without dampening. The bits are those of
    torch's single-tensor path, except that numbers below the normal range are 0.

    Raises:
        ValueError: In the step, for differentiable=True and a hyperparameter that is not finite.

    Source: torch 2.13, `_single_tensor_sgd`.
    """

    kernel: Kernel = _kernels.torch_sgd_update
    counted = False

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer" if group["momentum"] else "",)

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        lr, momentum, decay, dampening = _kernels.finite(self, group, "lr", "momentum", "weight_decay", "dampening")
        return lr, momentum, 1.0 if fresh else 1 - dampening, int(group["nesterov"]), decay
