"""Arrays over the memory of objects that are not NumPy's, without a copy."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamella.core.rows_gradient import RowsGradient

_OWN = {np.ndarray, RowsGradient}


def arrays_over(who: str, noun: str, objects: Iterable[Any]) -> Sequence[Any]:
    """`objects`, with an array in place of each one that shows its memory.

    Memory is shown by DLPack, by `__array_interface__` or by the buffer protocol. What shows none stays as it is: the checks of
    the step name it.

    Args:
        who: The optimizer, for messages.
        noun: What the objects are, for messages.
        objects: Parameters or gradients.

    Returns:
        The same list or tuple if there is nothing to do, else a list.

    Raises:
        TypeError: The memory is not the CPU's, or NumPy has no dtype for it.
    """
    if not isinstance(objects, (list, tuple)):
        objects = list(objects)
    if _OWN.issuperset(map(type, objects)):
        return objects
    return [_array_over(f"{who}: {noun} {i}", x) for i, x in enumerate(objects)]


def _array_over(place: str, x: Any) -> Any:
    # A NumPy scalar shows a copy, and a step on that would be lost.
    if x is None or isinstance(x, (np.ndarray, np.generic, RowsGradient)):
        return x
    try:
        if hasattr(type(x), "__dlpack__"):
            # torch refuses to show the memory of a tensor that requires a gradient.
            detach = getattr(x, "detach", None)
            # torch's DLPack does not tell that the memory has the negative of each number, as the imaginary part of a conjugate.
            if callable(is_neg := getattr(x, "is_neg", None)) and is_neg():
                raise BufferError("it is a negative view, which resolve_neg() copies")
            array = np.from_dlpack(detach() if callable(detach) else x)
            # For a null pointer, which a tensor with a freed storage has, NumPy makes new memory.
            if array.size and array.flags.owndata:
                raise BufferError("its memory was freed")
            return array
        if hasattr(x, "__array_interface__"):
            return np.asarray(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(f"{place}: expected memory of the CPU that NumPy can read, got {type(x).__name__}: {error}") from error
    try:
        return np.asarray(memoryview(x))
    except TypeError:
        return x


def bfloat16_as_bits(x: Any) -> Any:
    """A CPU tensor of torch.bfloat16 or an array of ml_dtypes' bfloat16 as uint16 over the same memory: NumPy has no such dtype.

    Args:
        x: Any object.

    Returns:
        An array of uint16, or `x` if it is neither.
    """
    if isinstance(x, np.ndarray):
        return x.view(np.uint16) if x.dtype.name == "bfloat16" else x
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(x, torch.Tensor) or x.dtype is not torch.bfloat16:
        return x
    return x.detach().view(torch.int16).numpy().view(np.uint16)


def note_change(params: Sequence[Any]) -> None:
    """Tell torch's autograd that tensors were changed in place, if torch is loaded and there are any.

    Without it a backward pass through their old values would give a wrong gradient instead of an error.

    Args:
        params: What a step has changed.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.autograd.graph.increment_version([p for p in params if isinstance(p, torch.Tensor)])
