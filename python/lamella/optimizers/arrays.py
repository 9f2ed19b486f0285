"""What an optimizer accepts: checks of parameters and gradients, by name of the array at fault."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from lamella.core.rows_gradient import RowsGradient
from lamella.core.types import Array

# What a gradient may be.
_GRADIENTS = (np.ndarray, RowsGradient)
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# Address, shape and dtype of each array: the same memory, whatever objects stand for it.
Places: TypeAlias = tuple[tuple[int, tuple[int, ...], str], ...]


def places(params: Sequence[Array]) -> Places:
    """Raises AttributeError for what is no array."""
    # An array without elements has any address.
    return tuple((p.__array_interface__["data"][0] if p.size else 0, p.shape, p.dtype.char) for p in params)


def called(names: Sequence[str] | None, i: int) -> str:
    """A parameter in messages."""
    return f"'{names[i]}'" if names and i < len(names) else f"parameter {i}"


def check_params(who: str, params: Sequence[Array], names: Sequence[str] | None = None) -> None:
    """Raises TypeError or ValueError unless every array can be updated in place by one kernel call."""
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
    _refuse_overlap(who, [(called(names, i), p) for i, p in enumerate(params)])


def clean_grads(
    who: str,
    params: Sequence[Array],
    grads: Sequence[Array],
    state: Sequence[Sequence[Array]],
    names: Sequence[str] | None = None,
) -> list[Array]:
    """The gradients, copied where their layout asks for it. Raises TypeError or ValueError if they do not fit."""
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
            continue  # its rows are summed into an array of their own before anything is written
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
    """Whether a gradient might lie in memory that `owners` hold: False is certain, and costs no look at addresses.

    NumPy's `base` is the object at the root, so arrays with different NumPy roots cannot overlap. Raises AttributeError
    for what is no array.
    """
    for g in grads:
        root = g.base
        if root is None:
            root = g
        if id(root) in owners or type(root) not in _GRADIENTS:
            return True
    return False


def _refuse_overlap(who: str, named: Iterable[tuple[str, Array]]) -> None:
    """Raises ValueError if two of the C-contiguous arrays share memory."""
    spans = sorted((a.__array_interface__["data"][0], a.nbytes, noun) for noun, a in named if a.size)
    for (first, size, noun), (second, _, other) in itertools.pairwise(spans):
        if second < first + size:
            raise ValueError(f"{who}: {noun} and {other} share memory")
