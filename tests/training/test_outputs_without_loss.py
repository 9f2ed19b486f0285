"""A loss for some outputs trains only the weights that these outputs need."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Layer
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import Adam

X = np.random.default_rng(3).normal(size=(20, 5)).astype("float32")
Y = X.sum(1, keepdims=True)


def two_heads(**b):
    inputs = Input((5,))
    h = Dense(4, activation="tanh", name="h")(inputs)
    return Model(inputs, [Dense(1, name="a")(h), Dense(2, name="b", **b)(h)])


def moved(model, fit):
    before = {layer.name: layer.get_weights() for layer in model.layers}
    fit()
    return {
        w.name
        for layer in model.layers
        for w, old in zip(layer.weights, before[layer.name])
        if not np.array_equal(K.get_value(w), old)
    }


@pytest.mark.filterwarnings("ignore:Output .b. missing from loss dictionary")
def test_gradients_of_weights_without_a_loss_are_zero():
    model = two_heads()
    model.compile("sgd", {"a": "mse"})
    found = dict(zip([w.name for w in model.trainable_weights], model.gradients_on_batch(X, {"a": Y}), strict=True))
    assert {name for name, gradient in found.items() if gradient.any()} == BOTH
    assert found["b/kernel:0"].shape == (4, 2) and found["b/bias:0"].shape == (2,)
    error = 2 * (model.predict(X)[0] - Y) / len(Y)
    np.testing.assert_allclose(found["a/bias:0"], error.sum(0), rtol=1e-5)


BOTH = {"a/kernel:0", "a/bias:0", "h/kernel:0", "h/bias:0"}


@pytest.mark.filterwarnings("ignore:Output .b. missing from loss dictionary")
@pytest.mark.parametrize("loss", [{"a": "mse"}, ["mse", None]])
def test_weights_of_other_outputs_are_not_trained(loss):
    model = two_heads()
    model.compile("adam", loss)
    assert moved(model, lambda: model.fit(X, Y, epochs=2, verbose=0)) == BOTH
    assert moved(model, lambda: model.train_on_batch(X, Y)) == BOTH
    assert [p.shape for p in model.predict(X)] == [(20, 1), (20, 2)]


def test_training_is_that_of_a_model_with_one_output():
    model = two_heads()
    model.compile(Adam(0.01), ["mse", None])
    alone = Model(model.input, model.outputs[0])
    weights = alone.get_weights()
    model.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    trained = alone.get_weights()
    alone.set_weights(weights)
    alone.compile(Adam(0.01), "mse")
    alone.fit(X, Y, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(alone.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_with_a_regularizer_are_trained():
    model = two_heads(kernel_regularizer="l2")
    model.compile("sgd", ["mse", None])
    before = model.get_layer("b").get_weights()[0]
    assert moved(model, lambda: model.train_on_batch(X, Y)) == BOTH | {"b/kernel:0"}
    np.testing.assert_allclose(model.get_layer("b").get_weights()[0], before * (1 - 0.01 * 2 * 0.01), rtol=1e-6)


def test_weights_before_an_activity_regularizer_or_add_loss_are_trained():
    model = two_heads(activity_regularizer="l2")
    model.compile("sgd", ["mse", None])
    assert moved(model, lambda: model.train_on_batch(X, Y)) == BOTH | {"b/kernel:0", "b/bias:0"}
    model = two_heads()
    model.add_loss(K.mean(K.square(model.outputs[1])))
    model.compile("sgd", ["mse", None])
    assert moved(model, lambda: model.train_on_batch(X, Y)) == BOTH | {"b/kernel:0", "b/bias:0"}


class Scaled(Layer):
    """A custom layer for an output. It adds a loss only if `adds` is set."""

    adds = False

    def build(self, input_shape):
        self.scale = self.add_weight("scale", (4,), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        y = inputs * self.scale
        if self.adds:
            self.add_loss(K.sum(y))
        return y


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_custom_output_layer_is_trained_only_if_its_call_adds_a_loss(optimizer, nested):
    inputs = Input((5,))
    h, head = Dense(4, name="h")(inputs), Scaled(name="own")
    own = (Sequential([head], name="tail") if nested else head)(h)
    model = Model(inputs, [Dense(1, name="a")(h), own])
    model.compile(optimizer, ["mse", None])
    assert moved(model, lambda: model.fit(X, Y, epochs=2, verbose=0)) == BOTH
    again = pickle.loads(pickle.dumps(model)) if not nested else model
    assert moved(again, lambda: again.train_on_batch(X, Y)) == BOTH
    head.adds = True
    name = "tail/own/scale:0" if nested else "own/scale:0"  # the call of the model around it builds it
    assert moved(model, lambda: model.train_on_batch(X, Y)) == BOTH | {name}


def test_shared_layers_and_nested_models():
    inputs = Input((5,))
    shared, tail = Dense(5, name="shared"), Sequential([Dense(3, name="inner", input_shape=(5,))], name="tail")
    model = Model(inputs, [Dense(1, name="a")(shared(inputs)), tail(shared(inputs))])
    model.compile("sgd", ["mse", None])
    assert moved(model, lambda: model.train_on_batch(X, Y)) == {"a/kernel:0", "a/bias:0", "shared/kernel:0", "shared/bias:0"}


def test_a_loaded_model_continues_training(tmp_path):
    model = two_heads()
    model.compile("adam", ["mse", None])
    model.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "m.h5")
    other = load_model(tmp_path / "m.h5")
    for m in (model, other):
        m.fit(X, Y, epochs=1, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_weight_without_a_gradient_is_named():
    class Unused(Layer):
        def build(self, input_shape):
            self.extra = self.add_weight("extra", (2,))
            super().build(input_shape)

        def call(self, inputs):
            return inputs

    model = Sequential([Dense(1, input_shape=(5,)), Unused(name="u")])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`None` for gradient .*u/extra:0"):
        model.train_on_batch(X, Y)
