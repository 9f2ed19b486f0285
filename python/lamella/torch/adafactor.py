"""Adafactor of torch.optim."""

from __future__ import annotations

import math
from typing import Any

import torch

from lamella import _kernels
from lamella.core.types import Array
from lamella.torch.bucket import Bucket
from lamella.torch.rule import DOWN, UP, Kernel, Rule
from lamella.torch.tensors import flat


class Adafactor(Rule, torch.optim.Adafactor):  # type: ignore[misc]  # mypy does not read torch
    """torch.optim.Adafactor with its arguments; foreach has no effect.

    State: step; row_var and col_var for parameters of two axes and more, variance for others. Steps differ from torch's in the
    last places, because sums of squares are added in another order. A parameter that is not contiguous is copied for the step.

    Raises:
        ValueError: In the step, for a hyperparameter that is not finite.

    Source: torch 2.13, `_single_tensor_adafactor`.
    """

    kernel: Kernel = _kernels.adafactor_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return "row_var", "col_var"

    def slots_of(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        return self.slots(group) if p.ndim > 1 else ("variance", "")

    def shape(self, name: str, p: Any) -> Any:
        if name == "variance":
            return p.shape
        return (*p.shape[:-1], 1) if name == "row_var" else (*p.shape[:-2], 1, p.shape[-1])

    def numbers(self, group: dict[str, Any], steps: float, fresh: bool) -> tuple[Any, ...]:
        lr, decay, threshold, beta2_decay = _kernels.finite(self, group, "lr", "weight_decay", "d", "beta2_decay")
        eps1, eps2 = group["eps"]
        _kernels.finite(self, {"eps1": eps1 or 0, "eps2": eps2}, "eps1", "eps2")
        t = steps + 1
        return min(lr, t**-0.5), 1 - lr * decay, t**beta2_decay, eps1, float(eps2), threshold

    def _new_slot(self, group: dict[str, Any], p: Any, name: str) -> Any:
        return torch.zeros(self.shape(name, p), dtype=p.dtype, device="cpu")

    def _complete(self, group: dict[str, Any], p: Any, state: dict[str, Any], slots: tuple[str, ...]) -> bool:
        for name in slots:
            if state.get(name) is not None:
                state[name] = state[name].detach().contiguous()
        return super()._complete(group, p.detach().contiguous(), state, slots)

    def _launch(self, group: dict[str, Any], bucket: Bucket, grads: list[Any]) -> None:
        rate, kept, take, eps1, *others = bucket.numbers
        eps1 = torch.finfo(bucket.params[0].dtype).eps if eps1 is None else float(eps1)
        rows, columns = bucket.slots
        if not columns:
            columns = [torch.zeros(0, dtype=p.dtype, device="cpu") for p in bucket.params]
        # The factors belong to rows and columns of the shape, so the kernel gets contiguous copies of other orders of memory.
        self._check([(group, bucket, grads)])
        params = [p.detach().contiguous() for p in bucket.params]
        lists = [
            [_array(x) for x in some]
            for some in (params, [g.detach().resolve_neg().contiguous() for g in grads], rows, columns)
        ]
        self.kernel(*lists, rate, kept, take, eps1, *others, UP if group.get("maximize") else DOWN)
        with torch.no_grad():
            for p, changed in zip(bucket.params, params):
                if not p.is_contiguous():
                    p.copy_(changed)
        self._made(bucket, bucket.params)


def _array(t: Any) -> Array:
    """The memory of a contiguous tensor, with one axis for all that are before the last two."""
    shape = tuple(t.shape)
    return flat(t).reshape((math.prod(shape[:-2]), *shape[-2:]) if len(shape) > 3 else shape)
