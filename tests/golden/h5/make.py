"""Model files by real Keras, small ones, with what they compute: the h5.gz, npz and json files beside this script.

    pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0 keras==3.15.1
    python tests/golden/h5/make.py tf_keras && python tests/golden/h5/make.py keras

Each npz holds `x`, `y` (one array an input or output, x0, y0 ...), `predicted` by the model of the file, and `after`, its
trainable weights after one more train_on_batch(x, y): only the right optimizer state leads there.
"""

import gzip
import importlib
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np

name = sys.argv[1]
keras = importlib.import_module(name)
layers = keras.layers
here = Path(__file__).parent
rng = np.random.default_rng(1)


def chain():
    return keras.Sequential(
        [
            layers.Input((5, 5, 1), name="pixels"),
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(2, activation="softmax", kernel_regularizer="l2", name="dense"),
        ],
        name="chain",
    )


def graph():
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    shared = layers.Dense(2, activation="tanh", name="shared")
    inner = keras.Sequential(
        [
            layers.Input((2,), name="in0"),
            layers.Dense(2, name="in1"),
            layers.BatchNormalization(name="in2"),
            layers.Dense(2, name="in3"),
        ],
        name="inner",
    )
    inner.layers[0].trainable = False
    joined = [layers.Add(name="sum")([shared(a), inner(b)]), layers.Concatenate(name="both")([shared(b), inner(a)])]
    return keras.Model([a, b], joined, name="graph")


def write(case, model, x, y):
    arrays = numbered("x", x) | numbered("y", y)
    if len(x) == 1:
        (x,), (y,) = x, y
    for _ in range(3):
        model.train_on_batch(x, y)
    file = here / f"{name}_{case}.h5"
    model.save(file)
    # HDF5 is mostly gaps: a tenth of it remains.
    (here / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    file.unlink()
    predicted = model.predict(x, verbose=0)
    arrays |= numbered("predicted", predicted if isinstance(predicted, list) else [predicted])
    model.train_on_batch(x, y)
    arrays |= numbered("after", [w.numpy() for w in model.trainable_weights])
    np.savez_compressed(here / f"{name}_{case}.npz", **arrays)


def numbered(prefix, arrays):
    return {f"{prefix}{i}": a for i, a in enumerate(arrays)}


def write_chain(case, optimizer):
    model = chain()
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    x = rng.normal(size=(6, 5, 5, 1)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, 6)]
    write(case, model, [x], [y])


optimizers = keras.optimizers
write_chain("adam", optimizers.Adam(0.01))
write_chain("rmsprop", optimizers.RMSprop(0.01, epsilon=1e-7))
if name == "tf_keras":
    write_chain("legacy_adam", optimizers.legacy.Adam(0.01, decay=0.1))
model = graph()
model.compile(
    optimizers.SGD(0.1, momentum=0.9), ["mse", "mae"], loss_weights=[1.0, 0.5], metrics={"sum": ["mae"], "both": ["mse"]}
)
x = [rng.normal(size=(6, 2)).astype("float32") for _ in range(2)]
(here / f"{name}_graph.json").write_text(model.to_json() + "\n")
write("graph", model, x, [rng.normal(size=(6, n)).astype("float32") for n in (2, 4)])
# Rules whose arrays stand in another order than those of Adam.
kinds = [("", optimizers)] + ([("legacy_", optimizers.legacy)] if name == "tf_keras" else [])
for prefix, rules in kinds:
    write_chain(f"{prefix}ftrl", rules.Ftrl(0.1, l1_regularization_strength=0.01, beta=0.1, initial_accumulator_value=0.2))
    write_chain(f"{prefix}centered_rmsprop", rules.RMSprop(0.01, momentum=0.5, centered=True, epsilon=1e-3))


def upsampled():
    stack = [
        layers.Input((4, 3, 1), name="pixels"),
        layers.UpSampling2D((2, 3), interpolation="bilinear", name="up"),
        layers.Conv2D(2, 3, activation="tanh", name="conv"),
        layers.Flatten(name="flat"),
        layers.Dense(2, name="dense"),
    ]
    return keras.Sequential(stack, name="upsampled")


model = upsampled()
model.compile(optimizers.SGD(0.1, momentum=0.9), "mse", metrics=["mae"])
write("upsampled", model, [rng.normal(size=(6, 4, 3, 1)).astype("float32")], [rng.normal(size=(6, 2)).astype("float32")])
