"""RMSprop of torch.optim."""

from __future__ import annotations

from typing import Any

import torch

from lamella import _kernels
from lamella.torch.rule import Kernel, Rule


class RMSprop(Rule, torch.optim.RMSprop):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.RMSprop with its arguments, centred or not, with or without momentum; capturable and differentiable must be
    False, foreach has no effect.

    State: step, square_avg, momentum_buffer with a momentum, grad_avg if centred. The bits are those of torch with the
    exceptions of Adam.

    Raises:
        ValueError: In the step, for capturable=True, differentiable=True and a hyperparameter that is not finite.

    Source: torch 2.13, `_single_tensor_rmsprop`.
    """

    kernel: Kernel = _kernels.torch_rmsprop_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return "square_avg", "grad_avg" if group["centered"] else "", "momentum_buffer" if group["momentum"] > 0 else ""

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        return _kernels.finite(self, group, "lr", "alpha", "eps", "momentum", "weight_decay")
