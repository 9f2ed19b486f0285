"""One pass over a folder of JPEGs, decoded and augmented into batches of float32, beside the loaders of three other libraries."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from bench.harness import Case, Contender, Plan, Role
from lamella.core.types import Array
from lamella.preprocessing.image import ImageDataGenerator
from lamella.utils import OrderedEnqueuer

BATCH = 32
# Batches in a timed pass at most, and in the folder that is written if none is given.
MOST, WRITTEN = 64, 4
SIZES = (32, 224)
AUGMENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "augmented": {
        "rotation_range": 15, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.1, "horizontal_flip": True,
    },
}  # fmt: skip
# Begins a pass: batches [N, size, size, 3] of float32.
Pass: TypeAlias = Callable[[], Iterable[Array]]


def cases(plan: Plan) -> Iterator[Case]:
    for size in SIZES[:1] if plan.quick or plan.images else SIZES:
        for kind, arguments in AUGMENTS.items():
            name = f"{size}x{size}x3 JPEG, {kind}"
            if plan.wants(name):
                with tempfile.TemporaryDirectory() as folder:
                    if not plan.images:
                        write_images(Path(folder), size)
                    yield Case(name, "images/s", contenders(plan.images or folder, size, arguments, plan))


def write_images(folder: Path, size: int, classes: int = 2) -> None:
    """Write a few batches in `classes` classes: smooth colors with some noise, similar to photographs."""
    rng = np.random.default_rng(0)
    for number in range(WRITTEN * BATCH):
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(small) + rng.normal(0, 4, (size, size, 3))
        path = folder / f"class{number % classes}" / f"{number:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def contenders(folder: str, size: int, arguments: dict[str, Any], plan: Plan) -> list[Contender]:
    """All read the same files in the same order. Random changes differ, so only the values of plain images are compared."""
    threads = plan.threads
    passes: list[tuple[str, Role, Pass]] = [("lamella, Pillow", "ours", lamella(folder, size, arguments, threads))]
    if installed("simplejpeg"):
        passes.append(("lamella, simplejpeg", "ours", lamella(folder, size, arguments, threads, decoder="simplejpeg")))
    if installed("keras_preprocessing") and threads == 1:
        passes.append(("keras-preprocessing", "peer", keras_preprocessing(folder, size, arguments)))
    if plan.torch and not arguments:
        from bench.peers import torch_folder

        passes.append(("torch DataLoader", "peer", torch_folder.batches(folder, size, BATCH, threads)))
    if installed("tensorflow") and installed("keras") and not arguments:
        from bench.peers import keras_folder

        passes.append(("Keras 3 dataset", "peer", keras_folder.batches(folder, size, BATCH, threads)))
    first = next(iter(passes[0][2]())).astype(np.float64)
    count = sum(len(x) for x in itertools.islice(passes[0][2](), MOST))
    return [
        Contender(name, role, partial(run, begin), count, None if arguments else partial(error, begin, first))
        for name, role, begin in passes
    ]


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def run(begin: Pass) -> None:
    for _ in itertools.islice(begin(), MOST):
        pass


def error(begin: Pass, wanted: Array) -> float:
    """The largest difference of the first batch from `wanted` beyond 8, divided by 255. Two JPEG decoders may differ by 8."""
    return float(np.maximum(np.abs(next(iter(begin())) - wanted) - 8, 0).max() / 255)


def lamella(folder: str, size: int, arguments: dict[str, Any], threads: int, **options: Any) -> Pass:
    """A pass; on several threads by the same means as fit(workers=threads)."""
    flow = without_output(ImageDataGenerator(**arguments).flow_from_directory, folder, size, **options)

    def begin() -> Iterator[Array]:
        if threads == 1:
            yield from (flow[i][0] for i in range(len(flow)))
            return
        ahead = OrderedEnqueuer(flow)
        ahead.start(workers=threads)
        try:
            yield from (x for x, _ in itertools.islice(ahead.get(), len(flow)))
        finally:
            ahead.stop()

    return begin


def keras_preprocessing(folder: str, size: int, arguments: dict[str, Any]) -> Pass:
    from keras_preprocessing.image import ImageDataGenerator as Peer

    flow = without_output(Peer(**arguments).flow_from_directory, folder, size)
    return lambda: (flow[i][0] for i in range(len(flow)))


def without_output(flow_from_directory: Callable[..., Any], folder: str, size: int, **options: Any) -> Any:
    """The iterator; the message "Found 32 images" is not printed."""
    with contextlib.redirect_stdout(io.StringIO()):
        return flow_from_directory(folder, target_size=(size, size), batch_size=BATCH, seed=1, shuffle=False, **options)
