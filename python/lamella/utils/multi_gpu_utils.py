"""multi_gpu_model, for scripts that ask for several GPUs. Source: Keras 2.2.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from lamella.core.warn import warn
from lamella.layers.core.lambda_layer import Lambda as Lambda

M = TypeVar("M")

_warned = False


def multi_gpu_model(
    model: M, gpus: int | Sequence[int] | None = None, cpu_merge: bool = True, cpu_relocation: bool = False
) -> M:
    """Return the model itself: lamella computes each step on all cores of the CPU.

    A script for several GPUs runs unchanged. The first call warns.

    Args:
        model: The model, which is returned.
        gpus: At least 2, or a list of at least two numbers; None means all.
        cpu_merge: No effect: there is only the CPU.
        cpu_relocation: No effect, either.

    Raises:
        ValueError: gpus means fewer than two GPUs.

    Deviation from Keras 2.2.5, which returns a new model of several copies, and raises ValueError if the GPUs are not there.
    """
    if gpus is not None and (many := len(gpus) if isinstance(gpus, (list, tuple)) else gpus) <= 1:  # type: ignore[operator]
        what = "gpus" if many is gpus else "len(gpus)"
        raise ValueError(
            f"For multi-gpu usage to be effective, call `multi_gpu_model` with `{what} >= 2`. Received: `gpus={gpus}`"
        )
    global _warned
    if not _warned:
        _warned = True
        warn("multi_gpu_model: lamella computes on the CPU, with all cores for each step; the model is returned as it is")
    return model
