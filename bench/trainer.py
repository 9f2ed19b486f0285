"""lamella's side of the whole models, written with the Keras API like a user's script."""

from __future__ import annotations

from typing import Protocol

import numpy as np

import lamella
from bench import nets
from bench.keras_layers import keras_layers
from lamella import layers, optimizers
from lamella.core.config import set_floatx
from lamella.utils import to_categorical


class Trainer(Protocol):
    """One side of a benchmark of training."""

    def epoch(self) -> None:
        """Train on all data once."""

    def losses(self, steps: int) -> list[float]:
        """The losses of the first steps of a new model."""


class LamellaTrainer:
    def __init__(self, net: nets.Net, threads: int, dtype: str) -> None:
        set_floatx(dtype)
        lamella.config.set_num_threads(threads)
        lamella.utils.set_random_seed(3)
        self.net = net
        x, labels = nets.data(net)
        self.x, self.y = x if x.dtype.kind == "i" else x.astype(dtype), to_categorical(labels, net.classes, dtype)
        self.model = build(net, dropout=True)

    def epoch(self) -> None:
        self.model.fit(self.x, self.y, batch_size=self.net.batch, epochs=1, verbose=0, shuffle=True)

    def losses(self, steps: int) -> list[float]:
        """The losses of the first steps of a new model without dropout, batches in order.

        The optimizer is SGD: epsilon differs between Keras's and torch's Adam, which has a larger effect than rounding.
        """
        model, batch = build(self.net, dropout=False), self.net.batch
        model.compile(optimizers.SGD(lr=nets.CHECK_RATE), "categorical_crossentropy")
        return [
            float(np.asarray(model.train_on_batch(self.x[i : i + batch], self.y[i : i + batch])))
            for i in range(0, steps * batch, batch)
        ]


def build(net: nets.Net, *, dropout: bool) -> lamella.Sequential:
    model = lamella.Sequential()
    words = isinstance(net.layers[0], nets.Embed)
    model.add(layers.InputLayer(input_shape=net.input, dtype="int64" if words else None))
    for layer in keras_layers(net, layers, dropout=dropout):
        model.add(layer)
    model.set_weights(nets.initial_weights(net))
    model.compile(optimizers.Adam(), "categorical_crossentropy")
    return model
