"""Files that one engine writes and the other reads: whole models that go on training, weights, weights by name, and what is inside."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
from parts import attempt, one_of, set_random_weights

EXCHANGES = True  # lamella runs before Keras and after it
OPTIMIZERS = {  # with a large epsilon, so that gradients of rounding errors stay small
    "SGD": {"lr": 0.05, "momentum": 0.9, "decay": 0.01, "nesterov": True},
    "RMSprop": {"lr": 0.01, "decay": 0.1, "epsilon": 0.01},
    "Adagrad": {"lr": 0.05, "epsilon": 0.01},
    "Adadelta": {"rho": 0.9, "epsilon": 0.01},
    "Adam": {"lr": 0.01, "amsgrad": True, "decay": 0.01, "epsilon": 0.01},
    "Adamax": {"lr": 0.01, "epsilon": 0.01},
    "Nadam": {"lr": 0.01, "epsilon": 0.01},
}
NETWORKS = "plain images recurrent nested shared embedded wrapped".split()
DECIDED = {
    "lamella_state: only in lamella": "the state of training that Keras does not save",
    "lamella_order: only in lamella": "the order of the weights of models inside",
    "Nadam.result.True goes on": "Keras forgets Nadam's momentum schedule",
    "RMSprop.result.True goes on": "Keras forgets RMSprop's iterations, on which its decay depends",
    "Nadam.result.False goes on": "Keras forgets Nadam's momentum schedule",
    "config.trainable: only in lamella": "a frozen model inside stays frozen when the file is loaded",
    ("nested2", ".result.True goes on"): "the same: Keras trains the model inside",
}


def network(kind, variant):
    """A model, and the shape of its input."""
    from keras import layers, models, regularizers

    names = {} if variant % 2 else {"name": f"first_{kind}"}
    if kind == "plain":
        stack = [layers.Dense(4, activation="relu", input_shape=(3,), kernel_regularizer=regularizers.l2(0.01), **names)]
        stack += [layers.BatchNormalization(momentum=0.0), layers.Dense(2, use_bias=variant < 2), layers.PReLU()]
        return models.Sequential(stack), (3,)
    if kind == "images":
        stack = [layers.Conv2D(3, 2, padding="same", input_shape=(4, 5, 2), **names), layers.MaxPooling2D()]
        stack += [layers.SeparableConv2D(2, 2), layers.Conv2DTranspose(2, 2), layers.DepthwiseConv2D(2), layers.Flatten()]
        return models.Sequential([*stack, layers.Dense(2, activation="softmax")]), (4, 5, 2)
    if kind == "recurrent":
        stack = [layers.LSTM(3, return_sequences=True, input_shape=(4, 2), **names), layers.GRU(2, reset_after=variant > 1)]
        return models.Sequential([*stack, layers.Dense(2)]), (4, 2)
    if kind == "wrapped":
        stack = [layers.TimeDistributed(layers.Dense(3, activation="tanh"), input_shape=(4, 2), **names)]
        stack += [layers.Bidirectional(layers.LSTM(2, return_sequences=True), merge_mode="sum")]
        return models.Sequential([*stack, layers.Bidirectional(layers.GRU(2)), layers.Dense(2)]), (4, 2)
    if kind == "embedded":
        stack = [layers.Embedding(5, 3, mask_zero=variant < 2, input_length=4, **names), layers.SimpleRNN(3), layers.Dense(2)]
        return models.Sequential(stack), (4,)
    x = layers.Input((3,))
    if kind == "nested":
        inner = models.Sequential([layers.Dense(3, input_shape=(3,), use_bias=False), layers.BatchNormalization(momentum=0.0)])
        a = layers.Input((3,))
        graph = models.Model(a, layers.Dense(3, activation="tanh", **names)(layers.Dense(2)(a)))
        graph.trainable = variant < 2  # partly frozen models inside have their weights in another order in lamella: decided
        # Two calls on one tensor would be one call in lamella, which its description shows.
        outputs = [inner(graph(x)), graph(layers.Activation("tanh")(x))]
        return models.Model(x, layers.Dense(2)(layers.add(outputs))), (3,)
    shared = layers.Dense(3, activation="sigmoid", **names)
    shared.trainable = variant < 2
    return models.Model(x, layers.Dense(2)(layers.concatenate([shared(x), shared(shared(x))]))), (3,)


def without_inputs(value):
    """A description without the InputLayers that lamella adds to each Sequential in a file, for Keras 3."""
    if isinstance(value, dict):
        return {name: without_inputs(part) for name, part in value.items()}
    if isinstance(value, list):
        added = len(value) > 1 and isinstance(value[0], dict) and value[0].get("class_name") == "InputLayer"
        return [without_inputs(part) for part in (value[1:] if added and "inbound_nodes" not in value[0] else value)]
    return value


def content(path):
    """Everything in the file but numbers: groups, attributes, names of arrays and their shapes."""
    found = {}

    def visit(name, item):
        if name.startswith("optimizer_weights/"):
            return  # TensorFlow numbers the names
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = (
                str(np.asarray(value).astype(str).tolist())
                if key != "weight_names" or name != "optimizer_weights"
                else len(value)
            )
        if isinstance(item, h5py.Dataset):
            found[name] = item.shape, str(item.dtype)

    with h5py.File(path, "r") as file:
        for key, value in file.attrs.items():
            text = value.decode() if isinstance(value, bytes) else str(value)
            found[key] = (
                without_inputs(json.loads(text))
                if key.endswith("config")
                else text
                if isinstance(value, (str, bytes))
                else value.tolist()
            )
        file.visititems(visit)
        state = file.get("optimizer_weights")
        found["optimizer"] = state and [
            np.array(state[name.decode() if isinstance(name, bytes) else name]) for name in state.attrs["weight_names"]
        ]
    return found


def go_on(model, x, y):
    """What two more steps give, and the weights after them."""
    return [*[model.train_on_batch(x, y) for _ in range(2)], *model.get_weights()]


def by_name(kind, variant, path, seed):
    """The weights of a model of which some layers have names of the file."""
    from keras import layers, models

    _, shape = network(kind, variant)
    named = {"name": f"first_{kind}"}
    if kind in ("plain", "nested", "shared"):
        model = models.Sequential(
            [layers.Dense(4 if kind == "plain" else 3, input_shape=shape, **named), layers.Dense(7, name="other")]
        )
    elif kind == "images":
        model = models.Sequential([layers.Conv2D(3, 2, input_shape=shape, **named)])
    else:
        model, _ = network(kind, 0)
    set_random_weights(model, np.random.RandomState(seed))
    model.load_weights(path, by_name=True)
    return model.get_weights()


def program(i, kind, variant, name, x, y, seed):
    def run():
        from keras import models, optimizers

        here, there = ("lamella", "real") if "lamella" in sys.modules else ("real", "lamella")
        model, _ = network(kind, variant)
        set_random_weights(model, np.random.RandomState(seed))
        model.compile(getattr(optimizers, name)(**OPTIMIZERS[name]), "mse", metrics=["mae"], loss_weights=[0.5])
        steps = [model.train_on_batch(x, y) for _ in range(2)]
        model.save(f"{here}_{i}.h5", include_optimizer=variant != 3)
        model.save_weights(f"{here}_{i}_weights.h5")
        Path(f"{here}_{i}.json").write_text(model.to_json())
        result = {"steps": steps, "weights": model.get_weights(), "content": content(f"{here}_{i}.h5")}
        result["content of weights"] = content(f"{here}_{i}_weights.h5")
        for who in (here, there):
            loaded = models.load_model(f"{who}_{i}.h5")
            result[f"{who == here} loaded"] = loaded.predict(x)
            result[f"{who == here} goes on"] = attempt(go_on, loaded, x, y)
            again = models.model_from_json(Path(f"{who}_{i}.json").read_text())
            again.load_weights(f"{who}_{i}_weights.h5")
            result[f"{who == here} from parts"] = again.predict(x)
            whole = network(kind, variant)[0]
            whole.load_weights(f"{who}_{i}.h5")
            result[f"{who == here} weights of a whole file"] = whole.get_weights()
            result[f"{who == here} by name"] = attempt(by_name, kind, variant, f"{who}_{i}_weights.h5", seed)
        result["goes on"] = go_on(model, x, y)
        return result

    return run


SHAPES = {"images": (4, 5, 2), "recurrent": (4, 2), "wrapped": (4, 2), "embedded": (4,)}


def cases(random, count):
    for i in range(count):
        kind, variant, rows = NETWORKS[i % len(NETWORKS)], int(random.randint(4)), int(random.randint(2, 5))
        name = one_of(random, *OPTIMIZERS)
        x = random.standard_normal((rows, *SHAPES.get(kind, (3,)))).astype("float32")
        if kind == "embedded":
            x = random.randint(0, 5, (rows, 4))
            x[:, 0] = 1
        y = random.standard_normal((rows, 2)).astype("float32")
        yield f"{i}:{kind}{variant} {name}", program(i, kind, variant, name, x, y, int(random.randint(1e6)))
