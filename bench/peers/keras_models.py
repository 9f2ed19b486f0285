"""Whole models of Keras in another environment, for bench/elsewhere.py: PYTHON keras_models.py FRAMEWORK THREADS DESCRIPTOR.

FRAMEWORK is a backend of Keras 3, or "keras2": Keras 2.2.5 on today's TensorFlow, by tests/parity/real_keras/real.py. Only these
two files, bench/nets.py and bench/keras_layers.py run there, so they do not import lamella.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench import nets
from bench.keras_layers import keras_layers


class KerasTrainer:
    """The same as bench.trainer.LamellaTrainer, with the defaults of Keras: the functions of Keras 3 are compiled."""

    def __init__(self, net: nets.Net) -> None:
        import keras

        self.net = net
        self.x, labels = nets.data(net)
        self.y = np.eye(net.classes, dtype=np.float32)[labels]
        self.model = build(net, dropout=True)
        self.model.compile(keras.optimizers.Adam(), "categorical_crossentropy")

    def epoch(self) -> None:
        self.model.fit(self.x, self.y, batch_size=self.net.batch, epochs=1, verbose=0, shuffle=True)

    def losses(self, steps: int) -> list[float]:
        import keras

        model, batch = build(self.net, dropout=False), self.net.batch
        model.compile(keras.optimizers.SGD(nets.CHECK_RATE), "categorical_crossentropy")
        batches = [slice(i, i + batch) for i in range(0, steps * batch, batch)]
        # train_on_batch of Keras 3 returns the mean since the last reset.
        reset = getattr(model, "reset_metrics", lambda: None)
        made = []
        for b in batches:
            reset()
            made.append(float(np.asarray(model.train_on_batch(self.x[b], self.y[b]))))
        return made


def build(net: nets.Net, *, dropout: bool) -> Any:
    """The model, with nets.initial_weights."""
    from keras import Sequential, layers

    words = isinstance(net.layers[0], nets.Embed)
    start = layers.InputLayer(net.input, dtype="int64" if words else "float32")
    model = Sequential([start, *keras_layers(net, layers, dropout=dropout)])
    model.set_weights(nets.initial_weights(net))
    return model


def install_keras_2() -> None:
    import tensorflow as tf

    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "parity" / "real_keras"))
    import real

    real.install()
    np.random.seed(3)
    tf.compat.v1.set_random_seed(3)


def serve(framework: str, threads: int, connection: Connection) -> None:
    # As in recurrent_elsewhere.py, the number of CPUs limits the threads.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ |= {"KERAS_BACKEND": "tensorflow" if framework == "keras2" else framework, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if framework == "keras2":
        install_keras_2()
    else:
        import keras

        keras.utils.set_random_seed(3)
    trainer: KerasTrainer | None = None
    while True:
        try:
            asked: nets.Net | tuple[str, tuple[object, ...]] = connection.recv()
        except EOFError:
            return
        if isinstance(asked, nets.Net):
            trainer = KerasTrainer(asked)
            connection.send(None)
        else:
            method, arguments = asked
            connection.send(getattr(trainer, method)(*arguments))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Connection(int(sys.argv[3])))
