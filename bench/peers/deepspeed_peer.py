"""DeepSpeed's CPUAdam, which compiles itself when it is first made: it needs ninja, a C++ compiler and torch."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any


def adam(tensors: Sequence[Any]) -> Any:
    """DeepSpeedCPUAdam with Adam's formula over the tensors; without deepspeed or ninja None, and a line on stderr says so.

    Args:
        tensors: CPU tensors that have gradients.
    """
    for module, name in (("deepspeed", "it"), ("ninja", "ninja")):
        if importlib.util.find_spec(module) is None:
            print(f"deepspeed is not a peer in this run: {name} is not installed", file=sys.stderr)
            return None
    # Without this it looks for accelerators first.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with contextlib.redirect_stdout(sys.stderr):  # its build and its settings
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        return DeepSpeedCPUAdam(tensors, lr=1e-3)
