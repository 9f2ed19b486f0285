"""A small U-Net finds discs among other shapes: images and masks in two folders, augmented together.

    python examples/segmentation.py [DIR]

The example draws the pictures itself, in DIR or in a temporary folder. The IoU in the report is the intersection of
the found and the true discs divided by their union, over images that were not used for training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import lamella as keras
from lamella.layers import Conv2D, Conv2DTranspose, Input, MaxPooling2D, concatenate
from lamella.models import Model
from lamella.optimizers import Adam
from lamella.preprocessing.image import ImageDataGenerator, save_img

SIZE = 48


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with a disc and two bars in random colors, uint8 [SIZE, SIZE, 3], and the disc's mask, [SIZE, SIZE, 1]."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    image = np.full((SIZE, SIZE, 3), rng.uniform(0, 255, 3))
    for _ in range(2):
        top, left = rng.integers(0, SIZE - 12, 2)
        height, width = rng.integers(4, 24, 2)
        image[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    center, radius = rng.uniform(10, SIZE - 10, 2), rng.uniform(5, 11)
    disc = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2
    image[disc] = rng.uniform(0, 255, 3)
    image += rng.normal(0, 6, image.shape)
    return image.clip(0, 255).astype(np.uint8), disc[..., np.newaxis].astype(np.uint8) * 255


def write_pictures(folder: Path, count: int, seed: int) -> None:
    """folder/images/all/*.png and folder/masks/all/*.png, with the same names."""
    rng = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (folder / kind / "all").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        for kind, pixels in zip(("images", "masks"), draw(rng)):
            save_img(folder / kind / "all" / f"{number:04}.png", pixels, scale=False)


def pairs(folder: Path, *, batch_size: int, seed: int, augment: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An endless iterator of batches (images, masks). Both have the same seed, so a mask is moved like its image."""
    moves = {"rotation_range": 90, "zoom_range": 0.2, "horizontal_flip": True, "fill_mode": "reflect"} if augment else {}
    generators = {
        "images": ImageDataGenerator(rescale=1 / 255, **moves, channel_shift_range=30 if augment else 0),
        # The nearest pixel's value: a mask has no values between 0 and 1.
        "masks": ImageDataGenerator(rescale=1 / 255, **moves, interpolation_order=0),
    }
    flows = [
        generator.flow_from_directory(
            folder / kind,
            target_size=(SIZE, SIZE),
            color_mode="rgb" if kind == "images" else "grayscale",
            class_mode=None,
            batch_size=batch_size,
            shuffle=augment,
            seed=seed,
        )
        for kind, generator in generators.items()
    ]
    return zip(*flows)


def build_model(channels: int) -> Model:
    """A U-Net of three levels."""

    def block(x, filters):
        for _ in range(2):
            x = Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        return x

    inputs = Input((SIZE, SIZE, 3))
    down, x = [], inputs
    for level in range(2):
        down.append(block(x, channels << level))
        x = MaxPooling2D()(down[-1])
    x = block(x, channels << 2)
    for level in (1, 0):
        x = Conv2DTranspose(channels << level, 2, strides=2)(x)
        x = block(concatenate([x, down[level]]), channels << level)
    return Model(inputs, Conv2D(1, 1, activation="sigmoid")(x))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 2)[2], allow_abbrev=False
    )
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?")
    parser.add_argument("--images", type=int, default=320, help="images to train on; the test uses a quarter as many")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--channels", type=int, default=8, help="channels of the first level")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        train, test, tested = folder / "train", folder / "test", max(arguments.images // 4, 1)
        write_pictures(train, arguments.images, arguments.seed)
        write_pictures(test, tested, arguments.seed + 1)

        model = build_model(arguments.channels)
        model.compile(Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
        started = time.perf_counter()
        size = 8
        history = model.fit_generator(
            pairs(train, batch_size=size, seed=arguments.seed, augment=True),
            steps_per_epoch=-(-arguments.images // size),
            epochs=arguments.epochs,
            verbose=2,
        )
        seconds = time.perf_counter() - started
        images, masks = next(pairs(test, batch_size=tested, seed=0, augment=False))
        found, true = model.predict(images) > 0.5, masks > 0.5

    print()
    print(f"images:     {arguments.images} to train on, {tested} to test on, {SIZE} x {SIZE}")
    print(f"parameters: {model.count_params()}")
    print(f"seconds:    {seconds:.1f}")
    print(f"losses:     {history.history['loss'][0]:.4f} {history.history['loss'][-1]:.4f}")
    print(f"test iou:   {(found & true).sum() / max((found | true).sum(), 1):.4f}")


if __name__ == "__main__":
    main()
