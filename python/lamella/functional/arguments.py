"""What the functions share: windows, optional arrays, and the arrays that results are written to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import index
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np

from lamella.core.types import Array
from lamella.core.window import Geometry, Window, place
from lamella.ops.arrays import absent, empty_like, relu_gradient

# One number for all axes, or one for each.
PerAxis: TypeAlias = int | Sequence[int]
# "valid", "same", "causal" or "full" as in Keras, or the number of zeros on both ends of each axis as in PyTorch.
Padding: TypeAlias = str | PerAxis


P = ParamSpec("P")
R = TypeVar("R")


def of_arrays(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function raise TypeError for an argument that its annotation says is an array, and is not. `result` checks `out`."""
    who, parameters = function.__name__, inspect.signature(function).parameters.values()
    # For each parameter in order, whether it is an array; and the parameters that may be None.
    arrays = {p.name: p.name != "out" and str(p.annotation).startswith("Array") for p in parameters}
    optional = {p.name for p in parameters if p.annotation == "Array | None"}

    def check(name: str, given: object) -> None:
        if not (isinstance(given, np.ndarray) or (given is None and name in optional)):
            raise TypeError(f"{who}: expected {name} to be a NumPy array, got {type(given).__name__}")

    @functools.wraps(function)
    def checked(*arguments: P.args, **keywords: P.kwargs) -> R:
        for (name, wanted), given in zip(arrays.items(), arguments):
            if wanted:
                check(name, given)
        for name, given in keywords.items():
            if arrays.get(name):
                check(name, given)
        return function(*arguments, **keywords)

    return checked


def per_axis(who: str, name: str, value: PerAxis, axes: int, least: int = 1) -> tuple[int, ...]:
    """One whole number for each axis.

    Raises:
        ValueError: `value` has another length, or other numbers.
    """
    numbers: tuple[int, ...] = ()
    with suppress(TypeError):
        numbers = tuple(map(index, value)) if isinstance(value, (Sequence, np.ndarray)) else (index(value),) * axes
    if len(numbers) != axes or min(numbers, default=least) < least:
        raise ValueError(f"{who}: expected {axes} whole numbers >= {least} for {name}, got {value!r}")
    return numbers


def windows(
    who: str, shape: Sequence[int], size: Sequence[int], strides: PerAxis, dilation: PerAxis, padding: Padding
) -> tuple[Geometry, tuple[int, ...]]:
    """The windows over an array [N, ..., C] as kernels take them, and their number on each axis.

    Raises:
        ValueError: The arguments do not fit each other, or no window fits.
    """
    axes = len(size)
    steps, gaps = per_axis(who, "strides", strides, axes), per_axis(who, "dilation", dilation, axes)
    if isinstance(padding, str):
        return place(shape, size, steps, gaps, padding, who)
    zeros = per_axis(who, "padding", padding, axes, least=0)
    window = Window.over(size, steps, gaps)
    counts = window.lengths([n + 2 * zero for n, zero in zip(shape[1:-1], zeros)])
    if not all(counts):
        raise ValueError(f"{who}: no window of {window.size} fits into shape {tuple(shape)} with padding {zeros}")
    return (window.size, window.strides, window.dilation, zeros), tuple(n or 0 for n in counts)


def check_channels_last(who: str, name: str, array: Array, axes: int, channels: int | None = None) -> None:
    """Check an array's shape.

    Raises:
        ValueError: It is not [N, ..., C] with this number of spatial axes and of channels.
    """
    if not 1 <= axes <= 3 or array.ndim != axes + 2 or (channels is not None and array.shape[-1] != channels):
        wanted = "C" if channels is None else str(channels)
        raise ValueError(f"{who}: expected {name} [N, {axes} axes, {wanted}], 1 to 3 axes, got shape {array.shape}")


def or_absent(array: Array | None, like: Array) -> Array:
    """The array, or for None the empty one that stands for an absent argument of a kernel."""
    return absent(like.dtype) if array is None else array


def result(who: str, name: str, out: Array | None, like: Array, shape: tuple[int, ...]) -> Array:
    """`out` after a check of shape, dtype and layout, or a new array with the dtype of `like`.

    The kernel checks that it overlaps no other argument.

    Raises:
        ValueError: `out` has another shape.
        TypeError: `out` is not a writable C-contiguous array of this dtype.
    """
    if out is None:
        return empty_like(like, shape)
    if not isinstance(out, np.ndarray) or out.dtype != like.dtype or not (out.flags.c_contiguous and out.flags.writeable):
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise TypeError(f"{who}: expected {name} to be a writable C-contiguous array of {like.dtype}, got {got}")
    if out.shape != shape:
        raise ValueError(f"{who}: expected {name} of shape {shape}, got {out.shape}")
    return out


def flattened(who: str, name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """A view of the array in this shape.

    Raises:
        TypeError: The array is not C-contiguous, so there is no view in this shape.
    """
    if not array.flags.c_contiguous:
        raise TypeError(f"{who}: expected {name} to be C-contiguous, got strides {array.strides} for shape {array.shape}")
    return array.reshape(shape)


def results(
    who: str,
    names: Sequence[str],
    need: Sequence[bool],
    out: Sequence[Array | None] | None,
    likes: Sequence[Array],
    shapes: Sequence[tuple[int, ...]],
) -> list[Array | None]:
    """The `result` of each gradient that is needed; None for the others.

    Raises:
        ValueError: `need` or `out` has another length, or an array another shape.
    """
    outs = [None] * len(names) if out is None else list(out)
    if len(need) != len(names) or len(outs) != len(names):
        raise ValueError(
            f"{who}: expected {len(names)} entries in need and out, for {', '.join(names)}, got {need} and {len(outs)}"
        )
    return [
        result(who, name, given, like, shape) if wanted else None
        for name, wanted, given, like, shape in zip(names, need, outs, likes, shapes)
    ]


def check_apart(who: str, written: dict[str, Array | None], read: dict[str, Array | None]) -> None:
    """Check C-contiguous arrays of a function that calls several kernels, of which each knows only some of them.

    Raises:
        ValueError: An array that is written shares memory with another one.
    """
    others = [(name, array) for name, array in read.items() if array is not None]
    for name, array in written.items():
        if array is None:
            continue
        for other, used in others:
            if np.may_share_memory(array, used):
                raise ValueError(f"{who}: argument {name!r}: expected memory of its own, got some of argument {other!r}")
        others.append((name, array))


def past_relu(y: Array | None, dy: Array) -> Array:
    """The gradient before a fused relu with the output y; dy itself if y is None."""
    return dy if y is None else relu_gradient(y, dy)
