"""add_update of symbolic tensors outside of a run: each step of a model with the layer makes them. Source: Keras 2.2.5."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model, Sequential

X = np.arange(12, dtype="float32").reshape(4, 3)
Y = np.zeros((4, 1), "float32")


def with_update(way="pair", conditional=True, **options):
    """A model, its layer, and a Variable to which each step adds the sum of the inputs; `way` says how it was added."""
    x = Input((3,))
    layer = Dense(1, **options)
    model = Model(x, layer(x))
    v = K.variable(1.0)
    update = (v, v + K.sum(x)) if way == "pair" else K.update(v, v + K.sum(x)) if way == "update" else K.update_add(v, K.sum(x))
    layer.add_update([update] if way == "list" else update, inputs=x if conditional else None)
    return model, layer, v


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("way", ["pair", "update", "list"])
def test_each_training_step_makes_it(way, conditional):
    model, layer, v = with_update(way, conditional)
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    assert float(v) == 1 + X.sum()
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0)
    assert float(v) == 1 + 3 * X.sum()
    for f in (model.predict, model.predict_on_batch):
        f(X)
    model.evaluate(X, Y, verbose=0)
    model.gradients_on_batch(X, Y)
    model(X)
    assert float(v) == 1 + 3 * X.sum()
    (update,) = layer.updates
    assert layer.updates[0] is model.updates[0] is update and model.state_updates == []
    assert layer.get_updates_for(model.input) == ([update] if conditional else [])
    assert layer.get_updates_for(None) == ([] if conditional else [update])


def test_k_function_makes_it_if_it_is_among_its_updates():
    model, layer, v = with_update()
    assert K.function([model.input], [model.output], updates=layer.updates)([X])[0].shape == (4, 1)
    assert float(v) == 1 + X.sum()
    K.function([model.input], [model.output])([X])
    assert float(v) == 1 + X.sum()


def test_frozen_and_stateful_layers():
    model, layer, v = with_update()
    layer.trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    assert float(v) == 1 and layer.updates == model.updates == layer.get_updates_for(model.input) == []
    layer.stateful = True
    assert len(model.updates) == len(model.state_updates) == 1
    for i, step in enumerate((model.train_on_batch, model.test_on_batch, lambda x, y: model.predict_on_batch(x))):
        step(X, Y)
        assert float(v) == 1 + (i + 1) * X.sum()
    layer.trainable, layer.stateful = True, False
    model.trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    assert float(v) == 1 + 3 * X.sum()


def test_only_models_with_the_call_make_it():
    model, layer, v = with_update()
    other = Model(x := Input((3,)), layer(x))
    other.compile("sgd", "mse")
    other.train_on_batch(X, Y)
    assert float(v) == 1 and other.updates == []
    w = K.variable(2.0)
    layer.add_update((w, w * 3))  # without inputs
    other.compile("sgd", "mse")
    other.train_on_batch(X, Y)
    assert float(w) == 6 and float(v) == 1 and len(other.updates) == 1


def test_updates_of_a_model_and_of_one_inside():
    x = Input((3,))
    inner = Model(x, Dense(3)(x))
    a, b = K.variable(0.0), K.variable(0.0)
    inner.add_update((a, a + K.max(x)), inputs=x)
    outer = Model(y := Input((3,)), Dense(1)(inner(Lambda(lambda t: 2 * t)(y))))
    outer.add_update(K.update_add(b, K.max(y)))
    outer.add_loss(K.sum(y))
    outer.compile("sgd", "mse")
    outer.train_on_batch(X, Y)
    assert (float(a), float(b)) == (22, 11)
    inner.compile("sgd", "mse")
    inner.train_on_batch(X, X)
    assert (float(a), float(b)) == (33, 11)
    inner.trainable = False
    outer.compile("sgd", "mse")
    outer.train_on_batch(X, Y)
    assert (float(a), float(b)) == (33, 22)
    assert len(outer.updates) == 1


def test_captured_tensors_and_copies():
    model = Sequential([Dense(2, input_shape=(3,))])
    v = K.variable(np.zeros(3))
    model.layers[0].add_update((v, K.max(model.input, axis=0)))
    h = model.output
    model.compile("sgd", lambda y, p: K.square(y - p) + K.sum(h))  # reads a tensor of the model
    model.train_on_batch(X, np.zeros((4, 2)))
    np.testing.assert_array_equal(K.get_value(v), X.max(0))
    model.compile("sgd", "mse")
    copy = pickle.loads(pickle.dumps(model))
    copy.compile("sgd", "mse")
    copy.train_on_batch(-X, np.zeros((4, 2)))
    np.testing.assert_array_equal(K.get_value(copy.layers[0].updates[0].variable), -X[0])
    np.testing.assert_array_equal(K.get_value(v), X.max(0))


def test_a_wrong_shape_is_an_error_that_changes_nothing():
    model, layer, v = with_update()
    layer.add_update((v, K.sum(model.input, axis=0)))
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"update of 'Variable.*': expected shape \(\), got \(3,\)"):
        model.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert float(v) == 1
