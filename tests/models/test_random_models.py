"""Random models with nested models, shared layers and masks, which are run, cloned, described, saved and trained."""

import numpy as np
import pytest

from lamella.graph.layer import takes_mask
from lamella.layers import (
    GRU,
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Input,
    InputLayer,
    Masking,
    TimeDistributed,
)
from lamella.models import Model, Sequential, clone_model, load_model, model_from_json

STEPS, SIZE = 4, 3


def random_layer(rng, depth):
    """A layer from [N, STEPS, SIZE] to the same shape, or a model down to a limited depth."""
    kind = rng.integers(9 if depth else 6)
    if kind == 0:
        return Masking(0.0)
    if kind == 1:
        return BatchNormalization() if rng.random() < 0.5 else Dropout(0.5)
    if kind == 2:
        return GRU(SIZE, return_sequences=True, activation="tanh")
    if kind == 3:
        return TimeDistributed(Dense(SIZE, activation="tanh"))
    if kind == 4:
        return Activation("tanh")
    if kind == 5:
        return Dense(SIZE, kernel_regularizer="l2")
    if kind == 6:
        first = TimeDistributed(Dense(SIZE), input_shape=(STEPS, SIZE))
        return Sequential([first, *(random_layer(rng, depth - 1) for _ in range(2))])
    inner = random_model(rng, depth - 1, inputs=1, outputs=1)
    inner.trainable = bool(rng.random() < 0.7)
    return inner


def random_model(rng, depth, inputs, outputs):
    ends = [Input((STEPS, SIZE)) for _ in range(inputs)]
    tensors = list(ends)
    if rng.random() < 0.6:
        tensors.append(Masking(0.0)(ends[0]))
    layers = []
    for _ in range(rng.integers(3, 7)):
        choice = rng.integers(4)
        a, b = (tensors[i] for i in rng.integers(len(tensors), size=2))
        if choice == 0 and a is not b:
            tensors.append(Add()([a, b]))
        elif choice == 1 and a is not b:
            tensors.append(Dense(SIZE)(Concatenate()([a, b])))
        elif choice == 2 and layers:
            tensors.append(layers[rng.integers(len(layers))](a))  # a shared layer
        else:
            layers.append(random_layer(rng, depth))
            tensors.append(layers[-1](a))
    # Unused tensors are joined, so that each input has an effect.
    top = Add()([*ends, *tensors[inputs:]]) if len(tensors) > 1 else tensors[0]
    return Model(ends, [Dense(SIZE)(top) for _ in range(outputs)])


def naive(model, values, masks):
    """(outputs, masks), call by call from the outputs back, as the graph says; models inside are walked, too."""
    known = {id(x): pair for x, pair in zip(model.inputs, zip(values, masks, strict=True), strict=True)}

    def value(x):
        if id(x) not in known:
            layer, index, _ = x._keras_history
            node = layer._inbound_nodes[index]
            given = [value(t) for t in node.inputs]
            values, masks = [v for v, _ in given], [m for _, m in given]
            if isinstance(layer, Model):
                outputs, made = naive(layer, values, masks)
            else:
                x_in, m_in = (values[0], masks[0]) if node.single else (values, masks)
                came = any(m is not None for m in masks)
                y = layer.call(x_in, **({"mask": m_in} if came and takes_mask(type(layer)) else {}))
                outputs, made = [y], [layer.compute_mask(x_in, m_in)]
            for t, pair in zip(node.outputs, zip(outputs, made, strict=True), strict=True):
                known[id(t)] = pair
        return known[id(x)]

    found = [value(x) for x in model.outputs]
    return [v for v, _ in found], [m for _, m in found]


def listed(value):
    return value if isinstance(value, list) else [value]


def assert_same(first, second):
    for a, b in zip(listed(first), listed(second), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(16))
def test_a_random_model(seed, tmp_path):
    rng = np.random.default_rng(seed)
    model = random_model(rng, 2, inputs=int(rng.integers(1, 3)), outputs=int(rng.integers(1, 3)))
    data = [rng.normal(size=(5, STEPS, SIZE)).astype("float32") for _ in model.inputs]
    for x in data:
        x[rng.random((5, STEPS)) < 0.3] = 0
    predicted = model.predict(data)
    values, masks = naive(model, data, [None] * len(data))
    for got, wanted in zip(listed(predicted), values, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert_same(model.compute_mask(data if len(data) > 1 else data[0]), masks)

    model.compile("sgd", "mse")
    path = tmp_path / "model.h5"
    model.save(path)
    loaded, described, clone = load_model(path), model_from_json(model.to_json()), clone_model(model)
    targets = [np.ones_like(y) for y in listed(predicted)]
    expected = model.evaluate(data, targets, verbose=0)
    for twin in (described, clone):
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        assert len(twin.trainable_weights) == len(model.trainable_weights)
        twin.set_weights(model.get_weights())
        twin.compile("sgd", "mse")
    for twin in (loaded, described, clone):
        assert_same(twin.predict(data), predicted)
        assert_same(twin.compute_mask(data if len(data) > 1 else data[0]), masks)
        assert twin.evaluate(data, targets, verbose=0) == expected
        assert not {id(w) for w in twin.weights} & {id(w) for w in model.weights}
    if not any(isinstance(layer, Dropout) for layer in all_layers(model)):
        for each in (model, loaded, clone):
            each.train_on_batch(data, targets)
        assert_same(loaded.get_weights(), model.get_weights())
        assert_same(clone.get_weights(), model.get_weights())


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, Model):
            yield from all_layers(layer)


def test_the_random_models_cover_all_features():
    """Some are nested, shared, frozen or masked."""
    found = set()
    for seed in range(16):
        rng = np.random.default_rng(seed)
        model = random_model(rng, 2, inputs=int(rng.integers(1, 3)), outputs=int(rng.integers(1, 3)))
        for layer in all_layers(model):
            own = 1 if isinstance(layer, Model) else 0
            found |= {"nested"} if own else set()
            found |= {"frozen"} if own and not layer.trainable else set()
            found |= {"shared"} if len(layer._inbound_nodes) - own > 1 and not isinstance(layer, InputLayer) else set()
        found |= {"masked"} if model.makes_masks else set()
    assert found == {"nested", "frozen", "shared", "masked"}
