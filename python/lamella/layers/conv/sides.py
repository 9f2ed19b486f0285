"""The base of padding and cropping: a pair of numbers for each axis between batch and channels."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.core.shapes import normalize_sides
from lamella.layers.arguments import KernelLayer

# One number for all sides, one for both sides of each axis, or (before, after) of each axis.
Sides = int | Sequence[int | Sequence[int]]


class SidesLayer(KernelLayer, self_contained=True):
    """Base of what changes the lengths of the axes between batch and channels by a pair (before, after) for each."""

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(before, after) of each axis."""
        raise NotImplementedError

    def all_axes(self) -> list[tuple[int, int]]:
        """The same with pairs of 0 for batch and channels, in the order of the layer's data format."""
        between = list(self.pairs())
        between.insert(0 if getattr(self, "data_format", "channels_last") == "channels_first" else len(between), (0, 0))
        return [(0, 0), *between]

    def resolve(self, names: Sequence[str]) -> None:
        super().resolve([name for name in names if name not in ("padding", "cropping")])
        for name in {"padding", "cropping"} & set(names):
            setattr(self, name, normalize_sides(getattr(self, name), self.rank, name))
