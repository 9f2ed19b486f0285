"""Finds the shapes and dtypes of a function's results by calling it. So functions need no shape rules, which could be wrong."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np

from lamella.core.atomic import Scope
from lamella.core.graphs import SymbolOutside
from lamella.core.lists import to_list
from lamella.core.random import Stream
from lamella.core.shapes import Dim, Shape, count
from lamella.core.updates import current as pending
from lamella.core.user_array import for_user
from lamella.ops.tape import value_of

Specs = tuple[tuple[Shape, str], ...]  # shape and dtype of each tensor

# The values of an unknown size in trials: (the batch, other axes). The function must accept two of them; up to four are compared.
# Small sizes are cheap and distinguish x[:, :5] from an axis of 5, and size 1 distinguishes x[:, -2:] from an axis of 2;
# 64 and 96 are larger than windows and strides; 840 and 1680 have all divisors up to 8, for a reshape.
# No batch size occurs twice, because it would look fixed.
_SIZES = ((1, 2), (2, 7), (5, 1), (3, 64), (4, 96), (840, 840), (1680, 1680))
# Elements of all inputs of a trial together: 256 MB of float32.
_LARGEST = 2**26
# Trials with sizes of constants: three free axes beside three sizes are 5 * 6 * 6.
_FITTED = 256


def shapes_of(
    call: Callable[[list[Any]], Any], inputs: Sequence[tuple[Shape, str]], who: str, constants: Sequence[Shape] = ()
) -> Specs:
    """The shape and dtype of each output of `call` on zeros. A size that varies with unknown sizes is unknown too.

    Args:
        call: The function of a list of arrays.
        inputs: Shape and dtype of each input; None in a shape is unknown.
        who: The function, for messages.
        constants: Shapes of the other arrays that `call` uses, which may determine unknown sizes, as known ones of inputs do.

    Raises:
        TypeError, ValueError: The function refuses such inputs.
    """
    free = any(None in shape for shape, _ in inputs)
    tried: list[list[tuple[tuple[int, ...], str]]] = []
    reason: Exception | None = None
    shapes = [shape for shape, _ in inputs]
    for number, filled in enumerate(itertools.chain(_even(shapes, free), _fitted(shapes, constants) if free else ())):
        if number == len(_SIZES) and len(tried) > 1:
            break
        if sum(map(count, filled)) > _LARGEST:
            reason = reason or ValueError(f"more than {_LARGEST} elements")
            continue
        try:
            found = specs_of_call(call, [for_user(np.zeros(shape, dtype)) for shape, (_, dtype) in zip(filled, inputs)])
        except SymbolOutside:
            raise
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            reason = error
            continue
        # A window that is larger than the trial's image gives size 0 in each trial.
        if not free or all(0 not in shape for shape, _ in found):
            tried.append(found)
        else:
            reason = reason or ValueError("nothing is left of what was tried")
        if len(tried) == 4 and number < len(_SIZES):
            break
    if reason is not None and not inputs and not tried:
        raise reason
    if len(tried) < (2 if free else 1):
        # As in TensorFlow, an unknown batch is that of the other tensors, or 1, if the function works with no other.
        known = {shape[0] for shape in shapes if shape} - {None} or {1}
        if len(known) == 1 and any(shape[:1] == (None,) for shape in shapes):
            with contextlib.suppress(TypeError, ValueError):
                batch = known.pop()
                fixed = [((batch, *shape[1:]) if shape[:1] == (None,) else shape, dtype) for shape, dtype in inputs]
                return shapes_of(call, fixed, who, constants)
        kind = TypeError if isinstance(reason, TypeError) else ValueError
        text = ", ".join(map(str, shapes))
        raise kind(f"{who}: cannot be applied to tensors of shape {text}: {reason}") from reason
    return tuple(
        (tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*(shape for shape, _ in each))), each[0][1])
        for each in zip(*tried)
    )


def _even(shapes: Sequence[Shape], free: bool) -> Iterator[list[tuple[int, ...]]]:
    """The shapes with the same number for each unknown size except the batch."""
    for batch, other in _SIZES if free else _SIZES[:1]:
        yield [tuple(_size(d, batch if i == 0 else other) for i, d in enumerate(shape)) for shape in shapes]


def _fitted(shapes: Sequence[Shape], constants: Sequence[Shape]) -> Iterator[list[tuple[int, ...]]]:
    """The shapes in which each unknown size has a value of the known sizes, and some other values."""
    sizes = sorted({d for shape in (*constants, *shapes) for d in shape if d})
    places = [(i, axis) for i, shape in enumerate(shapes) for axis, d in enumerate(shape) if d is None]
    if not sizes:
        return
    choices = [[2, 3, *sizes] if axis == 0 else [*sizes, 1, 2, 7] for _, axis in places]
    total = count([len(each) for each in choices])
    # Drawn, so that no size is the same in all trials that fit.
    for rest in range(total) if total <= _FITTED else Random(0).sample(range(total), _FITTED):
        chosen = []
        for each in choices:
            rest, at = divmod(rest, len(each))
            chosen.append(each[at])
        given = dict(zip(places, chosen))
        yield [tuple(given.get((i, axis), d or 0) for axis, d in enumerate(shape)) for i, shape in enumerate(shapes)]


def _size(size: Dim, free: int) -> int:
    return free if size is None else size


def specs_of_call(call: Callable[[list[Any]], Any], inputs: list[Any]) -> list[tuple[tuple[int, ...], str]]:
    """The shape and dtype of each output of a call on these arrays."""
    stream = Stream()
    stream.set_state({"seed": 0, "step": 0, "epoch": 0})  # a trial must not use up random numbers of the user's stream
    with np.errstate(all="ignore"):
        y = Scope((pending, "values", True), (pending, "trying", True)).run(stream.run, call, inputs)
    arrays = [np.asarray(value_of(v)) for v in to_list(y, allow_tuple=True)]
    if any(array.dtype.kind not in "biuf" for array in arrays):
        raise TypeError(f"it returns {type(y).__name__}, no tensor")
    return [(array.shape, array.dtype.name) for array in arrays]
