"""The network of Keras's cifar10_cnn example on a folder of images, one directory for each class.

    python examples/image_folder.py DIR

The model is trained on DIR/train/<class>/*.jpg; the accuracy in the report is measured on DIR/test/<class>/*.jpg. All images
must have the same size, or --size resizes them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import lamella as keras
from lamella.callbacks import Callback
from lamella.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from lamella.models import Sequential
from lamella.optimizers import Adam
from lamella.preprocessing.image import img_to_array, load_img

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".ppm"}


class EpochTimer(Callback):
    """Seconds of each epoch, its validation included."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def load_folder(
    folder: Path, classes: list[str], limit: int | None, size: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels in 0..1 as float32 [N, H, W, 3] and class numbers as int64 [N, 1]; `limit` images of each class."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    for number, name in enumerate(classes):
        paths = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in EXTENSIONS)
        for path in paths[:limit]:
            # Bytes need a quarter of the memory of float32.
            images.append(img_to_array(load_img(path, target_size=size), dtype="uint8"))
            if images[-1].shape != images[0].shape:
                raise SystemExit(f"{path} is {images[-1].shape}, others are {images[0].shape}: pass --size")
            labels.append(number)
    if not images:
        raise SystemExit(f"no images in {folder}: expected {folder}/<class>/*.jpg")
    return np.stack(images).astype(np.float32) / 255, np.array(labels)[:, np.newaxis]


def build_model(input_shape: tuple[int, ...], classes: int) -> Sequential:
    model = Sequential()
    model.add(Conv2D(32, (3, 3), padding="same", input_shape=input_shape))
    model.add(Activation("relu"))
    model.add(Conv2D(32, (3, 3)))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Conv2D(64, (3, 3), padding="same"))
    model.add(Activation("relu"))
    model.add(Conv2D(64, (3, 3)))
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))

    model.add(Flatten())
    model.add(Dense(512))
    model.add(Activation("relu"))
    model.add(Dropout(0.5))
    model.add(Dense(classes))
    model.add(Activation("softmax"))
    # RMSprop(lr=0.0001) of the original script needs 100 epochs; Adam with its default needs ten.
    model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(), metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 2)[2], allow_abbrev=False
    )
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--limit", type=int, help="images of each class in train and in test (default: all)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="resize all images to this size")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    train, test = arguments.folder / "train", arguments.folder / "test"
    for part in (train, test):
        if not part.is_dir():
            raise SystemExit(f"{part} is not there: expected {arguments.folder}/train/<class>/*.jpg and test/<class>/*.jpg")
    keras.utils.set_random_seed(arguments.seed)
    classes = sorted(path.name for path in train.iterdir() if path.is_dir())
    started = time.perf_counter()
    x_train, y_train = load_folder(train, classes, arguments.limit, arguments.size)
    x_test, y_test = load_folder(test, classes, arguments.limit, arguments.size)
    loading = time.perf_counter() - started
    print(f"loaded {len(x_train) + len(x_test)} images of {len(classes)} classes in {loading:.1f} s", flush=True)

    model = build_model(x_train.shape[1:], len(classes))
    model.summary()
    timer = EpochTimer()
    model.fit(
        x_train,
        y_train,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        validation_data=(x_test, y_test),
        shuffle=True,
        callbacks=[timer],
        verbose=2,
    )
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)

    print()
    print(f"classes:           {len(classes)}: {', '.join(classes)}")
    print(f"images:            {len(x_train)} to train on, {len(x_test)} to test on, {x_train.shape[1:]} each")
    print(f"epochs:            {arguments.epochs}")
    print(f"seconds per epoch: {np.median(timer.seconds):.3g} (median; {min(timer.seconds):.3g} to {max(timer.seconds):.3g})")
    print(f"test loss:         {loss:.4f}")
    print(f"test accuracy:     {accuracy:.4f}")


if __name__ == "__main__":
    main()
