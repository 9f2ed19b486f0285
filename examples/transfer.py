"""Transfer learning on a folder of images: a network learns five digits; its features then classify the five others.

    python examples/transfer.py

scikit-learn's digits are written as PNGs, one directory for each class. A small MobileNet learns 0 to 4. Without its top, and
frozen, it is the base of a classifier of 5 to 9. First only the head of the classifier is trained; then the base is unfrozen,
and the whole model is fine-tuned at a small learning rate. With weights="imagenet" and your own images only this second half
is needed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import lamella as keras
from lamella.applications.mobilenet import MobileNet, preprocess_input
from lamella.layers import BatchNormalization, Dense, GlobalAveragePooling2D
from lamella.models import Model
from lamella.optimizers import Adam
from lamella.preprocessing.image import DirectoryIterator, ImageDataGenerator, array_to_img

SIZE = (32, 32)
BATCH = 32


def write_images(folder: Path, count: int) -> None:
    """Write folder/first/0..4 and folder/second/5..9, with a PNG of 8x8 for each of `count` digits."""
    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images[:count], digits.target)):
        directory = folder / ("first" if label < 5 else "second") / str(label)
        directory.mkdir(parents=True, exist_ok=True)
        array_to_img(pixels[:, :, np.newaxis] * 255 / 16, scale=False).save(directory / f"{i}.png")


def flows(folder: Path, seed: int) -> tuple[DirectoryIterator, DirectoryIterator]:
    """Training batches, shifted and rotated a little, and validation batches of the first quarter of each class."""
    common = {"preprocessing_function": preprocess_input, "validation_split": 0.25}
    moved = ImageDataGenerator(width_shift_range=0.08, height_shift_range=0.08, rotation_range=8, **common)
    still = ImageDataGenerator(**common)
    options = {"target_size": SIZE, "interpolation": "bilinear", "batch_size": BATCH, "seed": seed}
    return (
        moved.flow_from_directory(folder, subset="training", **options),
        still.flow_from_directory(folder, subset="validation", shuffle=False, **options),
    )


def fit(model: Model, rate: float, epochs: int, images: DirectoryIterator, others: DirectoryIterator) -> float:
    """Train the trainable weights on `images`; return the accuracy on `others`."""
    model.compile(Adam(lr=rate), loss="categorical_crossentropy", metrics=["accuracy"])
    model.fit_generator(images, epochs=epochs, validation_data=others, verbose=2)
    return float(model.evaluate_generator(others)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8, help="epochs of the first training; the others have half as many")
    parser.add_argument("--images", type=int, default=1797, help="number of images of all ten digits")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    started = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), options.images)
        network = MobileNet(input_shape=(*SIZE, 3), alpha=0.25, weights=None, classes=5)
        for layer in network.layers:
            if isinstance(layer, BatchNormalization):
                layer.momentum = 0.9  # the default, 0.99, averages over more steps than this training has
        first = fit(network, 0.01, options.epochs, *flows(Path(folder) / "first", options.seed))

        base = Model(network.input, network.get_layer("conv_pw_13_relu").output)
        images, others = flows(Path(folder) / "second", options.seed)
        x = GlobalAveragePooling2D()(base.output)
        model = Model(base.input, Dense(5, activation="softmax")(x))
        for layer in base.layers:
            layer.trainable = False
        trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        head = fit(model, 0.01, max(1, options.epochs // 2), images, others)

        for layer in base.layers:
            layer.trainable = True
        whole = fit(model, 0.001, max(1, options.epochs // 2), images, others)

    print()
    print(f"images:              {images.samples} to train on, {others.samples} to validate on")
    print(f"weights in the head: {trained} of {model.count_params()}")
    print(f"first digits:        {first:.4f}")
    print(f"head alone:          {head:.4f}")
    print(f"all of it:           {whole:.4f}")
    print(f"seconds:             {time.perf_counter() - started:.1f}")


if __name__ == "__main__":
    main()
