"""Adam and AdamW of torch.optim."""

from __future__ import annotations

from typing import Any

import torch

from lamella import _kernels
from lamella.torch.rule import Kernel, Rule


class AdamRule(Rule):
    """The rule of Adam and AdamW, which is the same in torch and in DeepSpeed. State: see Adam."""

    kernel: Kernel = _kernels.torch_adam_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return "exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else ""

    def decoupled(self, group: dict[str, Any]) -> bool:
        """Whether weight decay is AdamW's.

        Args:
            group: A parameter group.
        """
        raise NotImplementedError

    def _complete(self, group: dict[str, Any], p: Any, state: dict[str, Any], slots: tuple[str, ...]) -> bool:
        v = state.get("exp_avg_sq")
        if v is not None and "max_exp_avg_sq" in slots and "max_exp_avg_sq" not in state:
            # A state without amsgrad goes on with it. The largest v so far is at least the last one; torch raises KeyError.
            state["max_exp_avg_sq"] = v.detach().clone(memory_format=torch.preserve_format)
        return super()._complete(group, p, state, slots)

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        # A decay of 0 is the same in both rules.
        return _kernels.adam_numbers(self, group, steps, bool(group["weight_decay"]) and self.decoupled(group))


class Adam(AdamRule, torch.optim.Adam):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.Adam with its arguments; capturable and differentiable must be False, foreach and fused have no effect.

    State: step, exp_avg, exp_avg_sq, and max_exp_avg_sq with amsgrad.

    exp_avg and exp_avg_sq have the bits of torch's single-tensor path. Some parameters differ in the last place, because torch's
    square root on the CPU is not always the nearest number. Numbers below the normal range are 0 here.

    Raises:
        ValueError: In the step, for capturable=True, differentiable=True and a hyperparameter that is not finite.

    Source: torch 2.13, `_single_tensor_adam`.
    """

    def decoupled(self, group: dict[str, Any]) -> bool:
        # An older torch has no such entry in a group.
        return bool(group.get("decoupled_weight_decay", isinstance(self, torch.optim.AdamW)))


class AdamW(Adam, torch.optim.AdamW):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.AdamW with its arguments: p *= 1 - lr * weight_decay before Adam's step. Otherwise the same as Adam.

    Source: torch 2.13.
    """
