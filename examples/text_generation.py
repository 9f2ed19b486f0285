"""An LSTM learns Python's language reference and generates text, like Keras's lstm_text_generation: no download.

After each epoch it continues a piece of the text at two temperatures: the higher one makes unlikely letters more likely.

python examples/text_generation.py
"""

from __future__ import annotations

import argparse
import time
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

import lamella as keras
from lamella.callbacks import LambdaCallback
from lamella.layers import LSTM, Dense
from lamella.models import Sequential
from lamella.optimizers import RMSprop

LENGTH = 40  # letters in the model's input
STEP = 3  # between one piece and the next


def text_of(characters: int) -> str:
    """The beginning of the reference, in small letters, with single spaces."""
    return " ".join(" ".join(topics[name] for name in sorted(topics)).lower().split())[:characters]


def one_hot(pieces: list[str], letters: str) -> NDArray[np.float32]:
    """[N, T, letters]."""
    numbers = {letter: i for i, letter in enumerate(letters)}
    codes = np.array([[numbers[letter] for letter in piece] for piece in pieces])
    return np.eye(len(letters), dtype=np.float32)[codes]


def build_model(letters: int, units: int) -> Sequential:
    model = Sequential([LSTM(units, input_shape=(LENGTH, letters)), Dense(letters, activation="softmax")])
    model.compile(RMSprop(lr=0.01), loss="categorical_crossentropy")
    return model


def sample(probabilities: NDArray[np.float32], temperature: float, random: np.random.Generator) -> int:
    """A letter's number, drawn from probabilities ** (1 / temperature)."""
    weights = np.log(probabilities.astype(np.float64) + 1e-12) / temperature
    weights = np.exp(weights - weights.max())
    return int(random.choice(len(weights), p=weights / weights.sum()))


def generated(model: Sequential, seed: str, letters: str, count: int, temperature: float, random: np.random.Generator) -> str:
    """The `count` letters that the model generates after the seed."""
    text = seed
    for _ in range(count):
        probabilities = model.predict(one_hot([text[-LENGTH:]], letters))[0]
        text += letters[sample(probabilities, temperature, random)]
    return text[len(seed) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--characters", type=int, default=30_000, help="length of the text (default: %(default)s)")
    parser.add_argument("--units", type=int, default=128, help="units of the LSTM (default: %(default)s)")
    parser.add_argument("--written", type=int, default=120, help="letters after each epoch (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(arguments.seed)
    random = np.random.default_rng(arguments.seed)
    text = text_of(arguments.characters)
    letters = "".join(sorted(set(text)))
    starts = range(0, len(text) - LENGTH, STEP)
    x = one_hot([text[start : start + LENGTH] for start in starts], letters)
    y = one_hot([text[start + LENGTH] for start in starts], letters)[:, 0]

    model = build_model(len(letters), arguments.units)
    model.summary()

    def write(epoch: int, logs: object) -> None:
        start = random.integers(len(text) - LENGTH)
        for temperature in (0.5, 1.0):
            seed = text[start : start + LENGTH]
            print(f"\n{temperature}: {seed}|{generated(model, seed, letters, arguments.written, temperature, random)}")

    started = time.perf_counter()
    history = model.fit(
        x, y, batch_size=128, epochs=arguments.epochs, verbose=2, callbacks=[LambdaCallback(on_epoch_end=write)]
    )
    seconds = time.perf_counter() - started

    print()
    print(f"text:           {len(text)} characters, {len(letters)} different ones, {len(x)} pieces")
    print(f"seconds:        {seconds:.1f}")
    print(f"losses:         {' '.join(f'{loss:.3f}' for loss in history.history['loss'])}")


if __name__ == "__main__":
    main()
