"""Augmentation: images rotated, shifted, zoomed and flipped into a batch of float32, beside keras-preprocessing over SciPy."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.harness import Case, Contender, Plan
from lamella.core.types import Array
from lamella.preprocessing.image.affine import affine_matrix
from lamella.preprocessing.image.batch import augment_batch

BATCH = 16
# The sizes of ImageNet's networks, CIFAR and MNIST.
SIZES = ((224, 224, 3), (32, 32, 3), (28, 28, 1))
ORDERS = {0: "nearest pixel", 1: "linear", 3: "cubic"}
Move = dict[str, Any]


def cases(plan: Plan) -> Iterator[Case]:
    for size in SIZES[1:2] if plan.quick else SIZES:
        for order, said in ORDERS.items():
            for fill in ("nearest",) if plan.quick else ("nearest", "reflect"):
                name = f"{'x'.join(map(str, size))} {said}, {fill}"
                if plan.wants(name):
                    yield Case(name, "images/s", contenders(size, order, fill))


def contenders(size: tuple[int, int, int], order: int, fill: str) -> list[Contender]:
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *size)).astype(np.uint8)
    floats = pixels.astype(np.float32)
    moves = [draw(np.random.default_rng(seed), size) for seed in range(BATCH)]
    out = np.empty_like(floats)
    found = [
        Contender(name, "ours", ours(x, moves, order, fill, out), BATCH)
        for name, x in (("lamella, bytes", pixels), ("lamella, float32", floats))
    ]
    if importlib.util.find_spec("keras_preprocessing") is not None:
        theirs = np.empty_like(floats)
        run = peer(floats, moves, order, fill, theirs)
        found.append(Contender("keras-preprocessing", "peer", run, BATCH))
        run()
        wanted = theirs.astype(np.float64)
        found[:2] = [
            Contender(c.name, c.role, c.run, BATCH, lambda run=c.run: difference(run, out, wanted))  # type: ignore[misc]
            for c in found[:2]
        ]
    return found


def difference(run: Callable[[], object], out: Array, wanted: Array) -> float:
    run()
    return float(np.abs(out - wanted).max() / np.abs(wanted).max())


def draw(rng: np.random.Generator, size: tuple[int, int, int]) -> Move:
    """A move like those of ImageDataGenerator(rotation_range=15, shift ranges 0.1, zoom_range=0.1, horizontal_flip=True)."""
    tx, ty = rng.uniform(-0.1, 0.1, 2) * size[:2]
    zx, zy = rng.uniform(0.9, 1.1, 2)
    return {"theta": rng.uniform(-15, 15), "tx": tx, "ty": ty, "zx": zx, "zy": zy, "flip_horizontal": rng.random() < 0.5}


def ours(x: Array, moves: list[Move], order: int, fill: str, out: Array) -> Callable[[], object]:
    images = list(x)

    def run() -> None:
        flips = [[0, move["flip_horizontal"]] for move in moves]
        given = ({k: v for k, v in move.items() if k != "flip_horizontal"} for move in moves)
        matrices = [affine_matrix(*x.shape[1:3], **move) for move in given]
        augment_batch(images, matrices, out, order=order, fill_mode=fill, flips=flips)

    return run


def peer(x: Array, moves: list[Move], order: int, fill: str, out: Array) -> Callable[[], object]:
    from keras_preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(fill_mode=fill, interpolation_order=order, data_format="channels_last")

    def run() -> None:
        for place, (image, move) in enumerate(zip(x, moves, strict=True)):
            out[place] = generator.apply_transform(image, move)

    return run
