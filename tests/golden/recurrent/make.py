"""A model of recurrent layers by real Keras, with what it computes: the files beside this script.

    pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0 keras==3.15.1
    python tests/golden/recurrent/make.py tf_keras && python tests/golden/recurrent/make.py keras

Each npz holds the inputs x0, x1 and `predicted`.
"""

import gzip
import importlib
import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np

name = sys.argv[1]
keras = importlib.import_module(name)
layers = keras.layers
here = Path(__file__).parent
rng = np.random.default_rng(0)


def model():
    steps, frames = layers.Input((5, 4), name="steps"), layers.Input((3, 4, 4, 2), name="frames")
    stack = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True, name="stack")(steps)
    both, forward, backward = layers.Bidirectional(layers.GRU(2, return_state=True), name="both")(stack)
    sequence = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="sequence", merge_mode="sum")(stack)
    each = layers.TimeDistributed(layers.Dense(2), name="each")(sequence)
    start = layers.Dense(3, name="start")(forward)
    simple = layers.SimpleRNN(3, name="simple", go_backwards=True)(each, initial_state=start)
    plain = layers.GRU(2, name="plain", reset_after=False)(stack)
    maps = layers.Flatten(name="flat")(layers.ConvLSTM2D(2, 3, name="maps")(frames))
    joined = layers.Concatenate(name="all")([both, backward, simple, plain, maps])
    return keras.Model([steps, frames], joined, name="recurrent")


made = model()
made.set_weights([0.5 * rng.normal(size=w.shape).astype("float32") for w in made.get_weights()])
x = [rng.normal(size=shape).astype("float32") for shape in ((3, 5, 4), (3, 3, 4, 4, 2))]
np.savez_compressed(here / f"{name}.npz", x0=x[0], x1=x[1], predicted=made.predict(x, verbose=0))
with tempfile.TemporaryDirectory() as folder:
    made.save(f"{folder}/whole.h5")
    made.save_weights(f"{folder}/of.weights.h5")
    for file, ending in (("whole.h5", "h5"), ("of.weights.h5", "weights.h5")):
        (here / f"{name}.{ending}.gz").write_bytes(gzip.compress(Path(folder, file).read_bytes(), mtime=0))
