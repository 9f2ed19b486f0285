"""Several GPUs, of which lamella uses none. Source: Keras 2.2.5."""

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
    """The model itself: lamella computes on the CPU, and all of its cores work on each step already.

    A script that shares a model between GPUs runs unchanged by this, and warns once.

    Args:
        model: What is returned.
        gpus: At least 2, or a list of at least two numbers; None stands for all there are.
        cpu_merge, cpu_relocation: Where weights are kept. There is one place.

    Raises:
        ValueError: For fewer than two GPUs.

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
