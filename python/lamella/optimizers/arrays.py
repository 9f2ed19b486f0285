"""Checks of an optimizer's parameters and gradients. Errors name the array at fault."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from lamella.core.rows_gradient import RowsGradient
from lamella.core.types import Array

# The classes of gradients.
_GRADIENTS = (np.ndarray, RowsGradient)
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# Address, shape and dtype of each array. They identify the memory, which several array objects may share.
Places: TypeAlias = tuple[tuple[int, tuple[int, ...], str], ...]


def places(params: Sequence[Array]) -> Places:
    """The places of the arrays.

    Raises:
        AttributeError: One of them is not an array.
    """
    # The address of an array without elements has no meaning.
    return tuple((p.__array_interface__["data"][0] if p.size else 0, p.shape, p.dtype.char) for p in params)


def called(names: Sequence[str] | None, i: int) -> str:
    """The text that names a parameter in messages."""
    return f"'{names[i]}'" if names and i < len(names) else f"parameter {i}"


def check_params(who: str, params: Sequence[Array], names: Sequence[str] | None = None) -> None:
    """Check that one kernel call can update all arrays in place.

    Args:
        who: The optimizer, for messages.
        params: The parameters.
        names: Their names, for messages.

    Raises:
        TypeError: One of them is not an array of native float32 or float64, or their dtypes differ.
        ValueError: There are none, or one of them is read-only, not C-contiguous, not aligned, or overlaps another.
    """
    if len(params) == 0:
        raise ValueError(f"{who}: expected at least one parameter array, got none")
    for i, p in enumerate(params):
        if not isinstance(p, np.ndarray):
            raise TypeError(f"{who}: expected {called(names, i)} to be a NumPy array, got {type(p).__name__}")
        if p.dtype not in _DTYPES:
            raise TypeError(f"{who}: expected {called(names, i)} to be native float32 or float64, got {p.dtype!r}")
        if p.dtype != params[0].dtype:
            raise TypeError(f"{who}: expected one dtype for all, got {params[0].dtype} and {p.dtype} of {called(names, i)}")
        if not p.flags.writeable:
            raise ValueError(f"{who}: {called(names, i)} is read-only, and steps are made in place")
        if not (p.flags.c_contiguous and p.flags.aligned):
            raise ValueError(
                f"{who}: expected {called(names, i)} to be C-contiguous and aligned, as steps are made in place; got shape "
                f"{p.shape} with strides {p.strides}: step on np.ascontiguousarray(p) and copy back"
            )
    refuse_overlap(who, [(called(names, i), p) for i, p in enumerate(params)])


def clean_grads(
    who: str,
    params: Sequence[Array],
    grads: Sequence[Array],
    state: Sequence[Sequence[Array]],
    names: Sequence[str] | None = None,
) -> list[Array]:
    """The gradients. Those that are not C-contiguous, aligned and of native byte order are copied.

    Args:
        who: The optimizer, for messages.
        params: The parameters.
        grads: Their gradients.
        state: The lists of arrays of the optimizer's state, which gradients must not overlap.
        names: The names of the parameters, for messages.

    Raises:
        TypeError: A parameter or gradient has a wrong type or dtype.
        ValueError: The parameters cannot be updated in place (see `check_params`), or a gradient is missing, has a wrong shape,
            or overlaps a parameter or its state.
    """
    check_params(who, params, names)
    if len(grads) != len(params):
        raise ValueError(f"{who}: expected {len(params)} gradients, one for each parameter, got {len(grads)}")
    for i, (p, g) in enumerate(zip(params, grads)):
        if g is None:
            raise ValueError(
                f"{who}: An operation has `None` for gradient ({names[i] if names else f'parameter {i}'}). Please make sure that "
                "all of your ops have a gradient defined (i.e. are differentiable)."
            )
        if not isinstance(g, _GRADIENTS):
            raise TypeError(f"{who}: expected {_gradient(names, i)} to be a NumPy array, got {type(g).__name__}")
        if g.shape != p.shape:
            raise ValueError(f"{who}: expected {_gradient(names, i)} of shape {p.shape}, got {g.shape}")
        if g.dtype.newbyteorder("=") != p.dtype:
            raise TypeError(f"{who}: expected {_gradient(names, i)} of dtype {p.dtype}, got {g.dtype}")
    written = [(called(names, i), p) for i, p in enumerate(params)]
    written += [(f"the state of {called(names, i)}", s) for slot in state for i, s in enumerate(slot)]
    for i, g in enumerate(grads):
        if isinstance(g, RowsGradient):
            continue  # its rows are summed into a new array before anything is written
        for noun, w in written:
            if np.may_share_memory(g, w):
                raise ValueError(f"{who}: {_gradient(names, i)} overlaps the memory of {noun}; pass a copy")
    return [g if isinstance(g, RowsGradient) else np.require(g, p.dtype, ("C", "A")) for p, g in zip(params, grads)]


def _gradient(names: Sequence[str] | None, i: int) -> str:
    return f"the gradient of '{names[i]}'" if names else f"gradient {i}"


def roots(*lists: Sequence[Array]) -> frozenset[int]:
    """The ids of the objects that own the arrays' memory."""
    return frozenset(id(a if a.base is None else a.base) for arrays in lists for a in arrays)


def may_alias(grads: Sequence[Array], owners: frozenset[int]) -> bool:
    """Whether a gradient may share memory with arrays of these owners. False is certain.

    It compares owners instead of addresses, which is faster. NumPy's `base` is the object that owns the memory, so arrays with
    different owners cannot overlap.

    Args:
        grads: The gradients.
        owners: The ids of the owners, by `roots`.

    Raises:
        AttributeError: A gradient is not an array.
    """
    for g in grads:
        root = g.base
        if root is None:
            root = g
        if id(root) in owners or type(root) not in _GRADIENTS:
            return True
    return False


def refuse_overlap(who: str, named: Iterable[tuple[str, Array]]) -> None:
    """Check that no two arrays share memory.

    Args:
        who: The optimizer, for messages.
        named: C-contiguous arrays, each with what messages call it.

    Raises:
        ValueError: Two of them share memory.
    """
    spans = sorted((a.__array_interface__["data"][0], a.nbytes, noun) for noun, a in named if a.size)
    for (first, size, noun), (second, _, other) in itertools.pairwise(spans):
        if second < first + size:
            raise ValueError(f"{who}: {noun} and {other} share memory")
