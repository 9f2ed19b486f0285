"""Slots of few bits as tensors: what they are made of, and how numbers of another storage are converted."""

from __future__ import annotations

from typing import Any

import torch

from lamella import _kernels
from lamella.optimizers.narrow import BITS as BITS
from lamella.optimizers.narrow import Storage, bytes_of_codes
from lamella.torch.tensors import filled_like, flat, flat_bytes

# A slot of 8 bits is bytes in one axis, as cpp/kernels/optimizer/storage.h has them; others have the shape of the parameter.
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "8bit": torch.uint8}


def shape(p: Any, state_dtype: str) -> tuple[int, ...]:
    """The shape of a slot.

    Args:
        p: A parameter.
        state_dtype: One of `BITS`.
    """
    return (bytes_of_codes(p.numel()),) if state_dtype == "8bit" else tuple(p.shape)


def zeros_like(p: Any, state_dtype: str) -> Any:
    """A slot of zeros, in the memory order of `p`.

    Args:
        p: A dense CPU tensor.
        state_dtype: One of `BITS`.
    """
    if state_dtype == "8bit":
        return torch.zeros(shape(p, state_dtype), dtype=torch.uint8, device="cpu")
    if state_dtype == "float32" and p.dtype is torch.float32:
        return filled_like(p, 0.0)
    return torch.zeros_like(p.detach(), dtype=DTYPES[state_dtype], memory_format=torch.preserve_format)


def converted(p: Any, slot: Any, state_dtype: str, signed: bool) -> Any:
    """A slot in another storage. What cannot be converted stays as it is: the checks of the step name it.

    Args:
        p: Its parameter.
        slot: A tensor of numbers of the shape of `p`, or of bytes.
        state_dtype: One of `BITS`.
        signed: Whether its numbers have signs.

    Returns:
        A tensor on the CPU, rounded to nearest.
    """
    if not isinstance(slot, torch.Tensor) or state_dtype not in BITS:
        return slot
    slot = slot.detach().to("cpu")
    if not slot.is_floating_point() or slot.shape != p.shape:
        return slot
    if state_dtype != "8bit":
        return slot.to(DTYPES[state_dtype])
    # The kernels encode: SGD without momentum stores the gradient, and Adam with decays of 0 its square.
    codes = torch.zeros(shape(p, state_dtype), dtype=torch.uint8, device="cpu")
    numbers = slot.to(torch.float32).contiguous()
    unused = torch.zeros_like(numbers)
    storage: Storage = [], [], [], 8, 0, 1.0, 0, 0, 0
    if signed:
        _kernels.narrow_sgd_update([flat(unused)], [flat(numbers)], [flat_bytes(codes)], 0.0, 0.0, 1.0, 0, 0.0, storage)
    else:
        signs, roots = torch.zeros_like(codes), numbers.sqrt()
        slots = [flat_bytes(signs)], [flat_bytes(codes)]
        _kernels.narrow_adam_update([flat(unused)], [flat(roots)], *slots, 0.0, 1.0, 0.0, 1.0, (0.0, 0.0, 1.0), storage)
    return codes
