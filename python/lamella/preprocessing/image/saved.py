"""Writes the images of batches to files, for inspection."""

from __future__ import annotations

import os
import secrets
from typing import Protocol

from lamella.core.files import Removing
from lamella.core.types import Array
from lamella.preprocessing.image.files import encoded_img


class _SavingIterator(Protocol):
    save_to_dir: str | None
    save_prefix: str
    save_format: str
    data_format: str


def save_batch(batch: Array, samples: Array, iterator: _SavingIterator) -> None:
    """Write each image, scaled to 0 to 255, to prefix_index_random.format. The random digits make the name unique."""
    for image, sample in zip(batch, samples):
        name = f"{iterator.save_prefix}_{sample}_{secrets.token_hex(4)}.{iterator.save_format}"
        path = os.path.join(str(iterator.save_to_dir), name)
        data = encoded_img(path, image, data_format=iterator.data_format, file_format=iterator.save_format)
        # Not replace_file: it lists the directory, which takes longer with each file, and flushes each file to the disk.
        temporary = os.path.join(str(iterator.save_to_dir), f".{name}")
        with Removing(temporary), Removing(temporary):
            with open(temporary, "xb") as file:
                file.write(data)
            os.rename(temporary, path)
