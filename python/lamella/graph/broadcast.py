"""The static shape of functions whose result is that of broadcasting, as x + y."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.core.shapes import Dim, Shape


def broadcast_shape(shapes: Sequence[Shape]) -> Shape | None:
    """The shape that arrays of these shapes have together; None if they do not fit.

    An unknown size next to a size above 1 is that size, as in TensorFlow; next to 1 it stays unknown.
    """
    rank = max(map(len, shapes))
    found: list[Dim] = []
    for sizes in zip(*[(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]):
        wide = {size for size in sizes if size is not None and size != 1}
        if len(wide) > 1:
            return None
        found.append(wide.pop() if wide else None if None in sizes else 1)
    return tuple(found)
