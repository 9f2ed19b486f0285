"""Model files of lamella read by real Keras, and the reverse; each runs in its own environment.

python keras_files.py write DIR     lamella: files, inputs and predictions
python keras_files.py read DIR      tf-keras and Keras 3: the same predictions; writes the models again
python keras_files.py back DIR      lamella: what they wrote
"""

import importlib
import os
import sys
from pathlib import Path

import numpy as np

RNG = np.random.default_rng(0)
# The optimizers of Keras 2.
OPTIMIZERS = ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam"]


def networks(layers, Sequential, Model):
    """{name: (model, inputs)}: every layer that has weights, nested, frozen, with what both data formats have in common."""
    L = layers
    image = RNG.normal(size=(5, 6, 7, 2)).astype("float32")
    chain = Sequential(
        [
            L.Conv2D(3, (2, 3), padding="same", strides=(2, 1), activation="relu", input_shape=(6, 7, 2), name="conv"),
            L.BatchNormalization(name="norm"),
            L.MaxPooling2D(name="pool"),
            L.Flatten(name="flat"),
            L.Dropout(0.5, name="drop"),
            L.Dense(4, activation="softmax", kernel_regularizer="l2", name="dense"),
        ],
        name="chain",
    )
    a, b = L.Input((3,), name="a"), L.Input((3,), name="b")
    shared = L.Dense(3, activation="tanh", name="shared")
    inner = Sequential(
        [L.Dense(3, input_shape=(3,), name="in1"), L.BatchNormalization(name="in2"), L.Dense(3, name="in3")], name="inner"
    )
    inner.layers[0].trainable = False
    outputs = [L.Add(name="sum")([shared(a), inner(b)]), L.Concatenate(name="both")([shared(b), inner(a)])]
    graph = Model([a, b], outputs, name="graph")
    return {
        "chain": (chain, [image]),
        "graph": (graph, [RNG.normal(size=(5, 3)).astype("float32") for _ in range(2)]),
    }


def chains(L, Sequential):
    """{name: model of inputs [N, 3]}: each way in which a Sequential learns the shape of its input."""
    inner = [L.Dense(3, activation="tanh", input_shape=(3,)), L.BatchNormalization()]
    found = {
        "input_shape": [L.Dense(4, input_shape=(3,)), L.Dense(2)],
        "input_layer": [L.InputLayer((3,)), L.Dense(2)],
        "built": [L.Dense(4), L.Dense(2)],
        "nested": [L.Dense(3, input_shape=(3,)), Sequential(inner), L.Dense(2)],
        "nested_first": [Sequential([L.Dense(3, input_shape=(3,)), L.Dense(4)]), L.Dense(2)],
    }
    models = {name: Sequential(stack) for name, stack in found.items()}
    models["built"].build((None, 3))
    return models


def write(directory):
    from lamella import backend as K
    from lamella import layers, optimizers
    from lamella.callbacks import EarlyStopping
    from lamella.models import Model, Sequential

    all_networks = networks(layers, Sequential, Model)
    x = RNG.normal(size=(5, 3)).astype("float32")
    all_networks |= {name: (model, [x]) for name, model in chains(layers, Sequential).items()}
    each = {name: getattr(optimizers, name)() for name in OPTIMIZERS}
    for name in each:
        all_networks[name] = Sequential([layers.Dense(2, input_shape=(3,))]), [x]
    each["lr"] = optimizers.Adam()
    all_networks["lr"] = Sequential([layers.Dense(2, input_shape=(3,))]), [x]
    for name, (model, inputs) in all_networks.items():
        model.compile(each.get(name, "adam"), "mse")
        if name == "lr":
            K.set_value(model.optimizer.lr, 0.25)
        outputs = predict(model, inputs)
        # One step. The best weights of the callback are at a place in the file that Keras does not read.
        stop = EarlyStopping("loss", restore_best_weights=True)
        model.fit(inputs, [np.zeros_like(y) for y in outputs], verbose=0, callbacks=[stop])
        model.save(directory / f"{name}.h5")
        model.save_weights(directory / f"{name}_weights.h5")
        arrays = {f"x{i}": x for i, x in enumerate(inputs)} | {f"y{i}": y for i, y in enumerate(predict(model, inputs))}
        np.savez(directory / f"{name}.npz", **arrays)


def read(directory):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    for package in ("tf_keras", "keras"):
        keras = importlib.import_module(package)
        for name, inputs, outputs in known(directory):
            # Keras 3's optimizers do not take Keras 2's lr. Keras 3 does not find the outputs of a model inside a graph, also not
            # in a file of Keras 2.
            if package == "tf_keras" or name != "graph":
                model = keras.models.load_model(directory / f"{name}.h5", compile=False)
            else:
                model = networks(keras.layers, keras.Sequential, keras.Model)[name][0]
                model.load_weights(directory / f"{name}.h5")
            check(model, inputs, outputs, f"{package}: {name}.h5")
            if package == "tf_keras":
                compiled = keras.models.load_model(directory / f"{name}.h5")
                check(compiled, inputs, outputs, f"tf_keras: {name}.h5, compiled")
                if name == "lr":
                    assert float(compiled.optimizer.learning_rate) == 0.25
            for layer in model.layers:
                layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
            # Not *.weights.h5: with that name Keras expects the layout of Keras 3.
            model.load_weights(str(directory / f"{name}_weights.h5"))
            check(model, inputs, outputs, f"{package}: {name}_weights.h5")
            model.compile("adam", "mse")
            model.save(directory / f"{package}.{name}.h5")
            model.save_weights(directory / f"{package}.{name}.weights.h5")


def back(directory):
    from lamella import layers
    from lamella.models import Model, Sequential, load_model

    made = {name: model for name, (model, _) in networks(layers, Sequential, Model).items()} | chains(layers, Sequential)
    for path in sorted(directory.glob("*keras.*.weights.h5")):
        for name, inputs, outputs in known(directory):
            if path.name.endswith(f".{name}.weights.h5") and name in made:
                model = made[name]
                for layer in model.layers:
                    layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
                model.load_weights(path)
                check(model, inputs, outputs, f"lamella: {path.name}")
    for path in sorted(directory.glob("*keras.*.h5")):
        for name, inputs, outputs in known(directory):
            if path.name.endswith(f".{name}.h5"):
                check(load_model(path), inputs, outputs, f"lamella: {path.name}")


def known(directory):
    for path in sorted(directory.glob("*.npz")):
        with np.load(path) as file:
            arrays = {key: file[key] for key in file}
        yield path.stem, *([arrays[k] for k in sorted(arrays) if k[0] == letter] for letter in "xy")


def predict(model, inputs):
    outputs = model.predict(inputs[0] if len(inputs) == 1 else inputs, verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def check(model, inputs, expected, what):
    for ours, theirs in zip(predict(model, inputs), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=what)
    print(f"{what}: the same predictions")


if __name__ == "__main__":
    {"write": write, "read": read, "back": back}[sys.argv[1]](Path(sys.argv[2]))
