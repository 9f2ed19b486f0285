"""A small convolutional network on scikit-learn's 8x8 digits: a few seconds, no download.

python examples/digits.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lamella as keras
from lamella.callbacks import EarlyStopping
from lamella.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from lamella.models import Sequential
from lamella.optimizers import Adam


def build_model() -> Sequential:
    model = Sequential(
        [
            Conv2D(32, (3, 3), activation="relu", padding="same", input_shape=(8, 8, 1)),
            Conv2D(64, (3, 3), activation="relu", padding="same"),
            MaxPooling2D((2, 2)),
            Dropout(0.25),
            Flatten(),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(Adam(lr=0.002), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40, help="maximum number (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(arguments.seed)
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1).astype(np.float32)  # stored as 0..16
    x_train, x_val, y_train, y_val = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=arguments.seed
    )

    model = build_model()
    model.summary()
    stopping = EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True)
    started = time.perf_counter()
    history = model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=arguments.epochs,
        validation_data=(x_val, y_val),
        callbacks=[stopping],
        verbose=2,
    )
    seconds = time.perf_counter() - started
    loss, accuracy = model.evaluate(x_val, y_val, verbose=0)

    print()
    print(f"images:              {len(x_train)} to train on, {len(x_val)} to validate on")
    print(f"epochs:              {len(history.epoch)}, the best was number {stopping.best_epoch + 1}")
    print(f"seconds:             {seconds:.1f}")
    print(f"validation loss:     {loss:.4f}")
    print(f"validation accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
