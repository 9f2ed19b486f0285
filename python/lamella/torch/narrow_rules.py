"""AdamW, Lion and SGD with slots of few bits."""

from __future__ import annotations

from typing import Any, ClassVar

from lamella import _kernels
from lamella.torch import stored
from lamella.torch.adam import AdamW
from lamella.torch.lion import Lion
from lamella.torch.narrow import Narrow
from lamella.torch.sgd import SGD


def _known(who: str, group: dict[str, Any]) -> None:
    if group["state_dtype"] not in stored.BITS:
        raise ValueError(f"{who}: expected state_dtype to be one of {', '.join(stored.BITS)}, got {group['state_dtype']!r}")


class NarrowAdamW(Narrow, AdamW):
    """torch.optim.AdamW with slots of few bits, and parameters of float32 or bfloat16.

    State: step, exp_avg, exp_avg_sq. weight_decay=0 makes it Adam. With state_dtype="float32" the bits are those of
    lamella.torch.AdamW. The class loads a state_dict of torch's class.

        optimizer = NarrowAdamW(model.parameters(), lr=1e-3, state_dtype="8bit", clipnorm=1.0)

    Args:
        params: See Narrow, which has the other arguments, too.

    Raises:
        ValueError: An argument is out of range, or amsgrad=True: maxima of rounded numbers would only grow.

    Source: torch 2.13; the storage is that of lamella.optimizers.NarrowAdamW.
    """

    signed: ClassVar[dict[str, bool]] = {"exp_avg": True, "exp_avg_sq": False}
    kernel = _kernels.narrow_adam_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        _known(type(self).__name__, group)
        if group["amsgrad"]:
            raise ValueError(f"{type(self).__name__}: amsgrad=True is not supported: maxima of rounded numbers would only grow")
        return "exp_avg", "exp_avg_sq"


class NarrowLion(Narrow, Lion):
    """lamella.torch.Lion with a slot of few bits, and parameters of float32 or bfloat16.

    State: step, exp_avg. See Narrow for the arguments.

    Raises:
        ValueError: An argument is out of range.

    Source: Chen et al. 2023 (arXiv 2302.06675), Algorithm 2.
    """

    signed: ClassVar[dict[str, bool]] = {"exp_avg": True}
    kernel = _kernels.narrow_lion_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        _known(type(self).__name__, group)
        return ("exp_avg",)


class NarrowSGD(Narrow, SGD):
    """torch.optim.SGD with a slot of few bits, and parameters of float32 or bfloat16.

    State: step, and momentum_buffer with a momentum. See Narrow for the arguments.

    Raises:
        ValueError: An argument is out of range.

    Source: torch 2.13.
    """

    signed: ClassVar[dict[str, bool]] = {"momentum_buffer": True}
    kernel = _kernels.narrow_sgd_update

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        _known(type(self).__name__, group)
        return ("momentum_buffer" if group["momentum"] else "",)
