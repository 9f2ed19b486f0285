"""The shapes and dtypes of what a function returns, found by calling it: no function needs a rule of its own, and none can
differ from what the function does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lamella.core.random import Stream
from lamella.core.shapes import Dim, Shape, count
from lamella.core.user_array import for_user
from lamella.ops.tape import value_of

Specs = tuple[tuple[Shape, str], ...]  # shape and dtype of each tensor

# What stands for a free size: (the batch, other axes). The function must take two; four are compared where it takes them.
# Small ones are cheap and tell x[:, :5] from an axis of 5, and 1 x[:, -2:] from one of 2;
# 64 and 96 are more than windows and strides; 840 and 1680 have all divisors up to 8, for a reshape.
# No batch comes twice: then it would not look free.
_SIZES = ((1, 2), (2, 7), (5, 1), (3, 64), (4, 96), (840, 840), (1680, 1680))
# Elements of all inputs of a trial together: 256 MB of float32.
_LARGEST = 2**26
# Trials with sizes of constants: three free axes beside three sizes are 5 * 6 * 6.
_FITTED = 256


def shapes_of(
    call: Callable[[list[Any]], Any], inputs: Sequence[tuple[Shape, str]], who: str, constants: Sequence[Shape] = ()
) -> Specs:
    """(shape, dtype) of each output of `call` on zeros like `inputs`; a size that goes with the free ones is free.

    Args:
        constants: Shapes of the arrays that `call` uses beside the inputs: free sizes may have to fit them.

    Raises:
        TypeError, ValueError: What the function says of such inputs.
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
            found = _outputs(call, [for_user(np.zeros(shape, dtype)) for shape, (_, dtype) in zip(filled, inputs)])
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            reason = error
            continue
        # A window larger than the trial's image leaves nothing of it, whatever the size.
        if not free or all(0 not in shape for shape, _ in found):
            tried.append(found)
        else:
            reason = reason or ValueError("nothing is left of what was tried")
        if len(tried) == 4 and number < len(_SIZES):
            break
    if len(tried) < (2 if free else 1):
        kind = TypeError if isinstance(reason, TypeError) else ValueError
        text = ", ".join(map(str, shapes))
        raise kind(f"{who}: cannot be applied to tensors of shape {text}: {reason}") from reason
    return tuple(
        (tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*(shape for shape, _ in each))), each[0][1])
        for each in zip(*tried)
    )


def _even(shapes: Sequence[Shape], free: bool) -> Iterator[list[tuple[int, ...]]]:
    """The shapes with the same number for each free size, but for the batch."""
    for batch, other in _SIZES if free else _SIZES[:1]:
        yield [tuple(_size(d, batch if i == 0 else other) for i, d in enumerate(shape)) for shape in shapes]


def _fitted(shapes: Sequence[Shape], constants: Sequence[Shape]) -> Iterator[list[tuple[int, ...]]]:
    """The shapes with each free size on its own taken from the constants' sizes, and some more to tell what stays free."""
    sizes = sorted({d for shape in constants for d in shape if d})
    places = [(i, axis) for i, shape in enumerate(shapes) for axis, d in enumerate(shape) if d is None]
    if not sizes:
        return
    choices = [[2, 3, *sizes] if axis == 0 else [*sizes, 1, 2, 7] for _, axis in places]
    for chosen in itertools.islice(itertools.product(*choices), _FITTED):
        given = dict(zip(places, chosen))
        yield [tuple(given.get((i, axis), d or 0) for axis, d in enumerate(shape)) for i, shape in enumerate(shapes)]


def _size(size: Dim, free: int) -> int:
    return free if size is None else size


def _outputs(call: Callable[[list[Any]], Any], inputs: list[Any]) -> list[tuple[tuple[int, ...], str]]:
    stream = Stream()
    stream.set_state({"seed": 0, "step": 0, "epoch": 0})  # a trial must not move the user's random numbers on
    with np.errstate(all="ignore"):
        y = stream.run(call, inputs)
    arrays = [np.asarray(value_of(v)) for v in (y if isinstance(y, list) else [y])]
    if any(array.dtype.kind not in "biuf" for array in arrays):
        raise TypeError(f"it returns {type(y).__name__}, no tensor")
    return [(array.shape, array.dtype.name) for array in arrays]
