"""A window that moves over 1 to 3 axes: what convolution and pooling share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from lamella.core.shapes import Shape, pad_amounts, window_length

# What kernels take: sizes, strides, dilations, zeros before; one entry for each axis.
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class Window(NamedTuple):
    """How many places a window covers on each axis, and how it moves.

    Attributes:
        size: Places on each axis.
        strides: Its step.
        dilation: The distance of its places.
        padding: "valid": only windows inside. "same": ceil(size / stride) of them; the odd zero stands at the end. "causal": as
            many, with all zeros before, so that no window sees what comes after its last place. "full": every window that
            covers a place.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"

    def lengths(self, sizes: Sequence[int | None]) -> Shape:
        """How many windows there are along axes of these sizes, None where a size is None; 0 where none fits."""
        axes = zip(sizes, self.size, self.strides, self.dilation, strict=True)
        return tuple(window_length(n, size, stride, self.padding, dilation) for n, size, stride, dilation in axes)

    def geometry(self, sizes: Sequence[int]) -> Geometry:
        """For arrays with these sizes between batch and channels."""
        axes = zip(sizes, self.size, self.strides, self.dilation, strict=True)
        before = tuple(pad_amounts(n, size, stride, self.padding, dilation)[0] for n, size, stride, dilation in axes)
        return self.size, self.strides, self.dilation, before

    def transposed_geometry(self, sizes: Sequence[int], into: Sequence[int]) -> Geometry:
        """Of the convolution from arrays of sizes `into` to those of `sizes`. Raises ValueError unless "valid" or "same"."""
        if self.padding not in ("valid", "same"):
            raise ValueError(f'expected padding to be "valid" or "same", got {self.padding!r}')
        axes = zip(sizes, into, self.size, self.strides, self.dilation, strict=True)
        beyond = (max((n - 1) * stride + (k - 1) * d + 1 - m, 0) for n, m, k, stride, d in axes)
        before = tuple(n // 2 if self.padding == "same" else 0 for n in beyond)
        return self.size, self.strides, self.dilation, before

    @classmethod
    def over(
        cls,
        size: Sequence[int],
        strides: Sequence[int] | None = None,
        dilation: Sequence[int] | None = None,
        padding: str = "valid",
    ) -> Window:
        """With strides and dilations of 1 where none are given. Raises ValueError unless all have one number for each axis."""
        ones = (1,) * len(size)
        window = cls(
            tuple(size),
            ones if strides is None else tuple(strides),
            ones if dilation is None else tuple(dilation),
            padding,
        )
        numbers = window[:3]
        if any(len(part) != len(size) or any(number < 1 for number in part) for part in numbers):
            raise ValueError(f"expected {len(size)} positive numbers for a window's size, strides and dilation, got {numbers}")
        return window


def place(
    shape: Sequence[int],
    size: Sequence[int],
    strides: Sequence[int] | None,
    dilation: Sequence[int] | None,
    padding: str,
    who: str,
) -> tuple[Geometry, tuple[int, ...]]:
    """What kernels take for arrays [N, ..., C] of this shape, and how many windows there are on each axis.

    Raises:
        ValueError: In the name of `who`, if no window fits.
    """
    given = strides if strides is None else tuple(strides), dilation if dilation is None else tuple(dilation)
    window, geometry, counts = _placed(tuple(size), *given, padding, tuple(shape[1:-1]))
    if 0 in counts:
        dilated = f" with dilation {window.dilation}" if max(window.dilation) > 1 else ""
        raise ValueError(f"{who}: no window of {window.size}{dilated} fits into shape {tuple(shape)}")
    return geometry, counts


# Each step asks the same again, and the answer costs some 10 us.
@functools.lru_cache(maxsize=4096)
def _placed(
    size: tuple[int, ...],
    strides: tuple[int, ...] | None,
    dilation: tuple[int, ...] | None,
    padding: str,
    sizes: tuple[int, ...],
) -> tuple[Window, Geometry, tuple[int, ...]]:
    window = Window.over(size, strides, dilation, padding)
    return window, window.geometry(sizes), tuple(n or 0 for n in window.lengths(sizes))


_AXES = {1: "T", 2: "H, W", 3: "D, H, W"}


def layout(axes: int, channels: int | str = "C") -> str:
    """How messages call the shape of a batch with so many axes between: "[N, H, W, 3]"."""
    return f"[N, {_AXES.get(axes, '...')}, {channels}]"
