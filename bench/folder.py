"""flow_from_directory: small JPEGs of a folder decoded, and augmented, into batches of float32, beside keras-preprocessing."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.harness import Case, Contender, Plan
from lamella.preprocessing.image import ImageDataGenerator

BATCH = 32
SIZES = (32, 224)
AUGMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "augmented": {
        "rotation_range": 15, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1, "horizontal_flip": True,
    },
}  # fmt: skip


def cases(plan: Plan) -> Iterator[Case]:
    for size in SIZES[:1] if plan.quick else SIZES:
        for kind, arguments in AUGMENTS.items():
            name = f"{size}x{size}x3 JPEG, {kind}"
            if plan.wants(name):
                with tempfile.TemporaryDirectory() as folder:
                    write_images(Path(folder), size)
                    yield Case(name, "images/s", contenders(folder, size, arguments))


def write_images(folder: Path, size: int) -> None:
    """One batch in two classes: smooth colors with some noise, as photographs have them."""
    rng = np.random.default_rng(0)
    for number in range(BATCH):
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(small) + rng.normal(0, 4, (size, size, 3))
        path = folder / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def contenders(folder: str, size: int, arguments: dict[str, Any]) -> list[Contender]:
    def batch_of(kind: type[Any], **options: Any) -> Callable[[], object]:
        with contextlib.redirect_stdout(io.StringIO()):  # "Found 32 images"
            flow = kind(**arguments).flow_from_directory(folder, target_size=(size, size), batch_size=BATCH, seed=1, **options)
        return lambda: flow[0]

    found = [Contender("lamella, Pillow", "ours", batch_of(ImageDataGenerator), BATCH)]
    if importlib.util.find_spec("simplejpeg") is not None:
        found.append(Contender("lamella, simplejpeg", "ours", batch_of(ImageDataGenerator, decoder="simplejpeg"), BATCH))
    if importlib.util.find_spec("keras_preprocessing") is not None:
        from keras_preprocessing.image import ImageDataGenerator as Peer

        found.append(Contender("keras-preprocessing", "peer", batch_of(Peer), BATCH))
    return found
