"""Folders of small images for tests. The pixels of an image identify it."""

from pathlib import Path

import numpy as np
from PIL import Image


def write(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    """Write an image of one colour, (value, 255 - value, 7)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), (value, 255 - value, 7), np.uint8)).save(path)


def make(root: Path, classes: dict[str, int]) -> Path:
    """Write the number of images that `classes` has for each class. They are numbered in the order of the names."""
    value = 0
    for name, count in sorted(classes.items()):
        for i in range(count):
            write(root / name / f"{i:02}.png", value)
            value += 1
    return root


def values(batch: np.ndarray) -> list[int]:
    """The number of each image of a batch."""
    return [int(value) for value in batch[:, 0, 0, 0]]
