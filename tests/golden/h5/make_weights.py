"""Files of weights in Keras 3's layout, by real Keras: the .weights.h5.gz files beside this script.

    pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0 keras==3.15.1
    python tests/golden/h5/make_weights.py tf_keras && python tests/golden/h5/make_weights.py keras

Each has an npz with `x`, the inputs (x0, x1), and `predicted`, the outputs.
"""

import gzip
import importlib
import os
import sys
from pathlib import Path

import numpy as np

here = Path(__file__).parent


def places(layers, Sequential, Model):
    """A model whose layers have the names that the library gives them, so that only their places tell which is which."""
    Dense = layers.Dense
    a, b = layers.Input((3,)), layers.Input((3,))
    shared = Dense(3, activation="tanh")
    chain = Sequential([Dense(3, input_shape=(3,)), layers.BatchNormalization(), layers.Activation("relu"), Dense(3), shared])
    chain.layers[0].trainable = False
    x = layers.Input((3,))
    inner = Model(x, layers.Add()([Dense(3, use_bias=False)(x), chain(x)]))
    joined = layers.Concatenate()([inner(a), shared(b), Dense(3, use_bias=False)(a)])
    return Model([a, b], [Dense(2)(layers.Dropout(0.5)(joined)), layers.BatchNormalization()(Dense(2)(joined))])


def write(name):
    keras = importlib.import_module(name)
    model = places(keras.layers, keras.Sequential, keras.Model)
    rng = np.random.default_rng(2)
    x = [rng.normal(size=(4, 3)).astype("float32") for _ in range(2)]
    model.compile("adam", "mse")
    model.fit(x, [rng.normal(size=(4, 2)) for _ in range(2)], epochs=3, verbose=0)
    file = here / f"{name}_places.weights.h5"
    model.save_weights(file)
    # HDF5 is mostly gaps: a tenth of it remains.
    (here / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()
    arrays = {f"x{i}": a for i, a in enumerate(x)} | {f"predicted{i}": a for i, a in enumerate(model.predict(x, verbose=0))}
    np.savez_compressed(here / f"{name}_places.weights.npz", **arrays)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    write(sys.argv[1])
