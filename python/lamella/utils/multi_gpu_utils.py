"""Several GPUs, of which lamella uses none."""

from __future__ import annotations

from typing import NoReturn


def multi_gpu_model(model: object, gpus: object = None, cpu_merge: bool = True, cpu_relocation: bool = False) -> NoReturn:
    """Raises ValueError: train `model` itself, all cores work on it."""
    raise ValueError(
        f"To call `multi_gpu_model` with `gpus={gpus}`, we expect GPUs to be available. lamella computes on the CPU, with "
        "all cores for each step: train the model itself"
    )
