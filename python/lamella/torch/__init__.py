"""Optimizers and layers for PyTorch on the CPU: torch.optim's classes, stepping by lamella's kernels.

    from lamella.torch import AdamW
    optimizer = AdamW(model.parameters(), lr=1e-3)

Each optimizer is a subclass of torch.optim's class of the same name, except Lion and DeepSpeedCPUAdam, which torch does not have.
Arguments, defaults, parameter groups, hooks and state are torch's: learning rate schedulers, closures, GradScaler and state_dict
work as in torch. lamella's class loads a state_dict of torch's class, and torch's class one of lamella's. A step is one kernel
call for all tensors of a parameter group, for any values of `foreach` and `fused`.

NarrowAdamW, NarrowLion and NarrowSGD store their state with 32, 16 or 8 bits for each number and take parameters of bfloat16. They
clip and clear gradients and make copies of bfloat16 in the pass of the step.

DeepSpeedCPUAdam has the arguments of DeepSpeed's class. StepInBackward steps each parameter in the backward pass and frees its
gradient.

    lamella.torch.replace(model)

makes the Conv2d and Linear layers of a model use lamella's kernels; `lamella.torch.functional` has the functions that they call.
"""

from __future__ import annotations

try:
    from torch.optim import Adafactor as _Adafactor  # noqa: F401 - an old torch lacks it
except ImportError as error:
    raise ImportError(f"lamella.torch needs PyTorch 2.5 or later: pip install torch ({error})") from error

from lamella.torch.adafactor import Adafactor
from lamella.torch.adagrad import Adagrad
from lamella.torch.adam import Adam, AdamW
from lamella.torch.deepspeed import DeepSpeedCPUAdam
from lamella.torch.functional import replace
from lamella.torch.in_backward import StepInBackward
from lamella.torch.lion import Lion
from lamella.torch.narrow_rules import NarrowAdamW, NarrowLion, NarrowSGD
from lamella.torch.rmsprop import RMSprop
from lamella.torch.sgd import SGD

__all__ = [
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "DeepSpeedCPUAdam",
    "Lion",
    "NarrowAdamW",
    "NarrowLion",
    "NarrowSGD",
    "RMSprop",
    "SGD",
    "StepInBackward",
    "replace",
]
