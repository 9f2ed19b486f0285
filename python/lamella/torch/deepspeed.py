"""DeepSpeed's CPUAdam: its constructor and its parameter groups, with lamella's kernels behind them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamella.torch.adam import AdamRule


class DeepSpeedCPUAdam(AdamRule):
    """Adam or AdamW with the arguments of deepspeed.ops.adam.DeepSpeedCPUAdam. The constructor compiles nothing.

    Steps have torch's roundings, like those of `lamella.torch.Adam`. State: step, exp_avg, exp_avg_sq, and max_exp_avg_sq with
    amsgrad. `state_dict` has the step as an int, as in DeepSpeed. A state_dict of this class loads into DeepSpeed's class, and one
    of that class or of torch.optim.Adam loads into this one. It steps outside of ZeRO: step_subgroup and rollback_subgroup, which
    only ZeRO's engine calls, are left out.

    Args:
        model_params: Parameters, or groups of them, as in torch.optim.
        lr: Learning rate.
        bias_correction: Whether m and v are corrected for their start at 0.
        betas: Decay of m and of v, both in [0, 1).
        eps: Added to the root, >= 0.
        weight_decay: Decoupled from the gradient with adamw_mode, else added to it; >= 0.
        amsgrad: Whether the root is of the largest v so far. DeepSpeed accepts it without effect; here it works as in torch.
        adamw_mode: Whether weight decay is AdamW's, for all groups.
        fp32_optimizer_states: True. The state of float32 parameters has their dtype either way.

    Raises:
        ValueError: An argument is outside of its range, or, in the step, not finite.

    Source: DeepSpeed 0.19 for the arguments; torch 2.13 for the roundings.
    """

    def __init__(
        self,
        model_params: Iterable[Any],
        lr: float = 1e-3,
        bias_correction: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        adamw_mode: bool = True,
        fp32_optimizer_states: bool = True,
    ) -> None:
        for name, number in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not number >= 0.0:
                raise ValueError(f"DeepSpeedCPUAdam: expected {name} >= 0, got {number}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"DeepSpeedCPUAdam: expected betas in [0, 1), got {beta} at index {i}")
        self.adam_w_mode = bool(adamw_mode)
        self.fp32_optimizer_states = bool(fp32_optimizer_states)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "bias_correction": bias_correction,
            "amsgrad": amsgrad,
        }
        super().__init__(model_params, defaults)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # which leaves out what a subclass adds
        return {**state, "adam_w_mode": self.adam_w_mode, "fp32_optimizer_states": self.fp32_optimizer_states}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # of a state_dict of torch.optim.Adam, or of an old DeepSpeed
            group.setdefault("bias_correction", True)
            group.setdefault("amsgrad", False)

    def state_dict(self) -> dict[str, Any]:
        """As torch's, with the number of steps of each parameter as an int."""
        found: dict[str, Any] = super().state_dict()
        states = found["state"]
        found["state"] = {i: {**own, "step": int(own["step"])} if "step" in own else own for i, own in states.items()}
        return found

    def decoupled(self, group: dict[str, Any]) -> bool:
        return self.adam_w_mode

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        numbers = super().numbers(group, steps, fresh)
        return numbers if group["bias_correction"] else (float(group["lr"]), 1.0, *numbers[2:])
