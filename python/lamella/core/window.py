"""Windows that move over 1 to 3 axes, for convolution and pooling."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from lamella.core.shapes import Shape, pad_amounts, window_length

# The argument of kernels: sizes, strides, dilations and numbers of zeros before, with one entry for each axis.
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class Window(NamedTuple):
    """The size of a window, and how it moves.

    Attributes:
        size: Number of places on each axis.
        strides: Distance between consecutive windows on each axis.
        dilation: Distance between consecutive places of a window on each axis.
        padding: "valid": only windows inside of the array. "same": ceil(size / stride) windows; if the number of zeros is odd,
            there is one more at the end. "causal": the same number of windows, with all zeros before, so that no window contains
            places after its last one. "full": all windows that contain a place of the array.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"

    def lengths(self, sizes: Sequence[int | None]) -> Shape:
        """The number of windows along axes of these sizes: None if the size is None, 0 if no window fits."""
        axes = zip(sizes, self.size, self.strides, self.dilation, strict=True)
        return tuple(window_length(n, size, stride, self.padding, dilation) for n, size, stride, dilation in axes)

    def geometry(self, sizes: Sequence[int]) -> Geometry:
        """The geometry for arrays with these sizes between batch and channels."""
        axes = zip(sizes, self.size, self.strides, self.dilation, strict=True)
        before = tuple(pad_amounts(n, size, stride, self.padding, dilation)[0] for n, size, stride, dilation in axes)
        return self.size, self.strides, self.dilation, before

    def transposed_geometry(self, sizes: Sequence[int], into: Sequence[int]) -> Geometry:
        """The geometry of the convolution from arrays of sizes `into` to arrays of sizes `sizes`.

        Raises:
            ValueError: The padding is neither "valid" nor "same".
        """
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
        """A window of a size. Strides and dilation are 1 if they are None.

        Raises:
            ValueError: Not all have one positive number for each axis.
        """
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
    """The geometry for arrays [N, ..., C] of a shape, and the number of windows on each axis.

    Args:
        shape: The shape, batch and channels included.
        size: As in `Window`.
        strides: As in `Window`; None is 1 everywhere.
        dilation: As in `Window`; None is 1 everywhere.
        padding: As in `Window`.
        who: The op, for messages.

    Raises:
        ValueError: No window fits, or the arguments do not fit each other.
    """
    given = strides if strides is None else tuple(strides), dilation if dilation is None else tuple(dilation)
    window, geometry, counts = _placed(tuple(size), *given, padding, tuple(shape[1:-1]))
    if 0 in counts:
        dilated = f" with dilation {window.dilation}" if max(window.dilation) > 1 else ""
        raise ValueError(f"{who}: no window of {window.size}{dilated} fits into shape {tuple(shape)}")
    return geometry, counts


# Each step calls it with the same arguments, and a computation takes about 10 us.
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
    """The text for messages of a batch's shape with this number of axes for the places: "[N, H, W, 3]"."""
    return f"[N, {_AXES.get(axes, '...')}, {channels}]"
