"""torch's side of bench/folder.py: a DataLoader with a Dataset that decodes with Pillow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from lamella.core.types import Array


class Photos(Dataset[tuple[torch.Tensor, int]]):
    """The images of class folders in sorted order, with the numbers of their classes."""

    def __init__(self, folder: str, size: int) -> None:
        self.size = size
        classes = sorted(path for path in Path(folder).iterdir() if path.is_dir())
        self.files = [(path, number) for number, root in enumerate(classes) for path in sorted(root.iterdir())]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, number = self.files[index]
        with Image.open(path) as image:
            pixels = image.convert("RGB")
            if pixels.size != (self.size, self.size):
                pixels = pixels.resize((self.size, self.size), Image.Resampling.NEAREST)
            return torch.from_numpy(np.asarray(pixels, np.float32)), number


def batches(folder: str, size: int, batch: int, threads: int) -> Callable[[], Iterable[Array]]:
    """A pass as the DataLoader's documentation advises: one thread in this process, several by persistent worker processes."""
    workers = 0 if threads == 1 else threads
    loader = DataLoader(Photos(folder, size), batch, num_workers=workers, persistent_workers=workers > 0)

    def begin() -> Iterator[Array]:
        return (x.numpy() for x, _ in loader)

    return begin
