"""Checks of the tensors of a step, and their memory as arrays for kernels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamella.core.types import Array

# Any stands for a tensor here: mypy does not read torch.
_DTYPES = (torch.float32, torch.float64)


def check_param(who: str, place: str, p: Any, dtypes: tuple[Any, ...] = _DTYPES) -> None:
    """Refuse a parameter that no kernel can update in place.

    Args:
        who: The optimizer, for messages.
        place: The parameter, for messages.
        p: A tensor.
        dtypes: The dtypes that the optimizer takes.

    Raises:
        TypeError: It is not a plain dense CPU tensor of one of the dtypes.
        ValueError: Its elements do not fill their memory without gaps and overlaps, or its memory was freed.
        RuntimeError: It is an inference tensor, outside of inference mode.
    """
    if torch.nn.parameter.is_lazy(p):
        raise TypeError(f"{who}: {place} has no shape yet; call the model once before the optimizer is made")
    if type(p).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        raise TypeError(f"{who}: expected {place} to be a plain tensor, got {type(p).__name__}")
    if p.layout is not torch.strided or p.device.type != "cpu":
        raise TypeError(f"{who}: expected {place} to be a dense tensor on the CPU, got {p.layout} on {p.device}")
    if p.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise TypeError(f"{who}: expected {place} to be {wanted}, got {p.dtype}")
    if p.is_neg():
        raise TypeError(f"{who}: expected {place} to be a plain tensor, got the negative view of one; resolve_neg() copies it")
    if not dense(p):
        raise ValueError(
            f"{who}: expected {place} to be contiguous, in any memory format, got shape {tuple(p.shape)} with strides {p.stride()}"
        )
    check_memory(who, place, p)
    check_mode(who, place, p)


def check_mode(who: str, place: str, p: Any) -> None:
    """Refuse to change an inference tensor outside of inference mode, as torch does.

    Args:
        who: The optimizer, for messages.
        place: The parameter, for messages.
        p: A tensor.

    Raises:
        RuntimeError: It was made in inference mode, which has ended.
    """
    if p.is_inference() and not torch.is_inference_mode_enabled():
        raise RuntimeError(
            f"{who}: {place} is an inference tensor, which can be changed only in inference mode; its clone() is a normal tensor"
        )


def check_memory(who: str, place: str, t: Any) -> None:
    """Refuse a tensor whose memory was freed, as FSDP does between steps. NumPy would use new memory instead of it.

    Args:
        who: The optimizer, for messages.
        place: What the tensor is, for messages.
        t: A dense CPU tensor.

    Raises:
        ValueError: It has elements but no memory.
    """
    if t.numel() and not t.data_ptr():
        raise ValueError(f"{who}: expected {place} to have memory for {t.numel()} elements, got none: its storage was resized")


def check_grad(who: str, place: str, p: Any, g: Any) -> None:
    """Refuse a gradient that does not fit its parameter.

    Args:
        who: The optimizer, for messages.
        place: The parameter, for messages.
        p: The parameter.
        g: Its gradient.

    Raises:
        RuntimeError: It is sparse, as torch.optim raises it.
        TypeError: It is not a plain CPU tensor of the parameter's dtype.
        ValueError: It has another shape, or its memory was freed.
    """
    if type(g).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        raise TypeError(f"{who}: expected the gradient of {place} to be a plain tensor, got {type(g).__name__}")
    if g.layout is not torch.strided:
        raise RuntimeError(f"{who} does not support sparse gradients; got one of {g.layout} for {place}")
    if g.device.type != "cpu" or g.dtype is not p.dtype:
        raise TypeError(f"{who}: expected the gradient of {place} to be {p.dtype} on the CPU, got {g.dtype} on {g.device}")
    if g.shape != p.shape:
        raise ValueError(f"{who}: expected the gradient of {place} of shape {tuple(p.shape)}, got {tuple(g.shape)}")
    check_memory(who, f"the gradient of {place}", g)


def dense(t: Any) -> bool:
    """Whether the elements of a strided tensor fill their memory without gaps and overlaps.

    Args:
        t: A tensor.
    """
    if t.is_contiguous():
        return True
    step = 1
    for stride, size in sorted((stride, size) for size, stride in zip(t.shape, t.stride()) if size != 1):
        if stride != step:
            return False
        step *= size
    return True


# NumPy requests huge pages for arrays of this many bytes and more; torch does not.
_HUGE_BYTES = 1 << 22


def filled_like(p: Any, value: float) -> Any:
    """A new tensor of the shape, dtype and memory order of `p`.

    NumPy allocates a large one. With pages of 4 KiB Adam's step took 18 % longer (3.2e7 elements, AVX-512, one thread).

    Args:
        p: A dense CPU tensor.
        value: What fills it.
    """
    if p.is_contiguous() and p.numel() * p.element_size() >= _HUGE_BYTES:
        return torch.from_numpy(np.full(tuple(p.shape), value, np.float32 if p.dtype is torch.float32 else np.float64))
    return torch.full_like(p.detach(), value, memory_format=torch.preserve_format)


def flat(t: Any) -> Array:
    """The memory of a dense tensor as a 1-D array, in the order of addresses.

    Args:
        t: A dense CPU tensor.
    """
    array: Array = _straight(t).numpy()
    return array


def flat_bytes(t: Any) -> NDArray[np.uint8]:
    """The bytes of a dense tensor of any dtype, in the order of addresses.

    Args:
        t: A dense CPU tensor.
    """
    array: NDArray[np.uint8] = _straight(t).view(torch.uint8).numpy()
    return array


def _straight(t: Any) -> Any:
    return (t.detach() if t.is_contiguous() else t.detach().as_strided((t.numel(),), (1,))).reshape(-1)


def ordered_like(t: Any, p: Any) -> Any:
    """`t` in the memory order of `p`; a copy if `t` has another order.

    Args:
        t: A CPU tensor of the shape of `p`.
        p: A dense CPU tensor.
    """
    if t.is_neg() or t.stride() != p.stride():
        return torch.empty_like(p.detach(), dtype=t.dtype, memory_format=torch.preserve_format).copy_(t.detach())
    return t


# The first byte, the byte after the last, whether it is written, and what messages call it.
Span: TypeAlias = tuple[int, int, bool, str]


def refuse_overlaps(who: str, spans: list[Span]) -> None:
    """Refuse memory that is written and also used by another tensor.

    Args:
        who: The optimizer, for messages.
        spans: All the memory that a step uses.

    Raises:
        ValueError: The message names both tensors.
    """
    end, written_end, last, written_last = 0, 0, "", ""
    for begin, stop, written, noun in sorted(span for span in spans if span[0] < span[1]):
        if begin < (end if written else written_end):
            raise ValueError(f"{who}: {last if written else written_last} and {noun} share memory")
        if stop > end:
            end, last = stop, noun
        if written and stop > written_end:
            written_end, written_last = stop, noun


def span(t: Any) -> tuple[int, int]:
    """The addresses of a dense tensor: of its first byte, and of the byte after its last.

    Args:
        t: A dense CPU tensor.
    """
    begin = int(t.data_ptr())
    return begin, begin + t.numel() * t.element_size()
