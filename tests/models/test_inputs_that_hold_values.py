"""Input(tensor=) of an array, a Variable or a function of other inputs: fit, evaluate and predict need no values for it.

Source: Keras 2.2.5.
"""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Add, Dense, Input, InputLayer
from lamella.models import Model, Sequential, clone_model, load_model, model_from_json
from lamella.optimizers import SGD

RNG = np.random.default_rng(4)
X = RNG.normal(size=(10, 3)).astype("f4")
OTHER = RNG.normal(size=(10, 3)).astype("f4")
Y = RNG.normal(size=(10, 2)).astype("f4")
HELD = {"array": lambda: X, "constant": lambda: K.constant(X), "variable": lambda: K.variable(X)}


def alone(held):
    x = Input(tensor=held)
    model = Model(x, Dense(2)(x))
    model.compile(SGD(lr=0.1), "mse")
    return model


def beside(held):
    a, b = Input(tensor=held, name="held"), Input((3,), name="fed")
    model = Model([a, b], Add()([Dense(2, name="of_held")(a), Dense(2, name="of_fed")(b)]))
    model.compile(SGD(lr=0.1), "mse")
    return model


@pytest.mark.parametrize("kind", HELD)
def test_a_model_that_needs_no_input(kind):
    model = alone(HELD[kind]())
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict_on_batch(None), X @ kernel + bias, rtol=1e-5, atol=1e-6)
    out = model.predict(None, steps=3)
    assert out.shape == (30, 2)
    np.testing.assert_allclose(out[10:20], X @ kernel + bias, rtol=1e-5, atol=1e-6)
    loss = ((X @ kernel + bias - Y) ** 2).mean()
    assert model.test_on_batch(None, Y) == pytest.approx(loss, rel=1e-5)
    assert model.evaluate(None, Y, batch_size=10, verbose=0) == pytest.approx(loss, rel=1e-5)
    assert model.evaluate([], Y, steps=2, verbose=0) == pytest.approx(loss, rel=1e-5)
    assert model.train_on_batch(None, Y) == pytest.approx(loss, rel=1e-5)
    step = 0.1 * X.T @ (X @ kernel + bias - Y) / 10
    np.testing.assert_allclose(model.get_weights()[0], kernel - step, rtol=1e-4, atol=1e-5)
    history = model.fit([], Y, steps_per_epoch=5, epochs=4, verbose=0).history["loss"]
    assert history[-1] < 0.8 * loss
    assert model._feed_inputs == [] and model._feed_input_names == [] and len(model.inputs) == 1


@pytest.mark.parametrize("kind", HELD)
def test_one_input_with_and_one_without_a_tensor(kind):
    model = beside(HELD[kind]())
    w = {layer.name: layer.get_weights() for layer in model.layers}
    want = X @ w["of_held"][0] + OTHER @ w["of_fed"][0]
    for x in (OTHER, [OTHER], {"fed": OTHER}):
        np.testing.assert_allclose(model.predict(x), want, rtol=1e-4, atol=1e-5)
    assert model._feed_input_names == ["fed"] and model.input_names == ["held", "fed"]
    history = model.fit({"fed": OTHER}, Y, batch_size=10, epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    generated = model.fit_generator(iter([(OTHER, Y)] * 4), steps_per_epoch=4, verbose=0).history["loss"]
    assert generated[0] < history[0]
    assert model.evaluate(OTHER, Y, batch_size=10, verbose=0) < history[0]
    assert set(model.activations_on_batch(OTHER)) >= {"of_held", "of_fed"}


def test_the_current_value_of_a_variable_is_used():
    image = K.variable(X)
    model = alone(image)
    before = model.predict_on_batch(None)
    K.set_value(image, 2 * X)
    np.testing.assert_allclose(model.predict_on_batch(None), 2 * before, rtol=1e-5, atol=1e-6)
    assert [w.name for w in model.weights] == [w.name for w in model.layers[1].weights]


def test_files_configs_and_clones_have_a_usual_input(tmp_path):
    model = beside(X)
    want = model.predict(OTHER)
    path = str(tmp_path / "m.h5")
    model.save(path)
    for twin in (load_model(path), model_from_json(model.to_json()), clone_model(model)):
        twin.set_weights(model.get_weights())
        assert twin._feed_input_names == ["held", "fed"]
        np.testing.assert_allclose(twin.predict([X, OTHER]), want, rtol=1e-6)
    held = clone_model(model, input_tensors=[K.variable(X), Input((3,))])
    held.set_weights(model.get_weights())
    assert held._feed_input_names == [held.input_names[1]]
    np.testing.assert_allclose(held.predict(OTHER), want, rtol=1e-6)


def test_inside_another_model_it_is_an_input_like_others():
    inner = alone(X)
    x = Input((3,))
    outer = Model(x, inner(x))
    kernel = inner.get_weights()[0]
    np.testing.assert_allclose(outer.predict(OTHER), OTHER @ kernel, rtol=1e-5, atol=1e-6)


def test_a_sequential_on_a_tensor():
    model = Sequential([InputLayer(input_tensor=K.variable(X)), Dense(2)])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(None, steps=1), X @ model.get_weights()[0], rtol=1e-5, atol=1e-6)


def test_values_for_an_input_with_a_tensor_raise():
    model = alone(X)
    with pytest.raises(ValueError, match="expected no data, but got"):
        model.predict(X)
    with pytest.raises(ValueError, match="you should specify the `steps` argument"):
        model.predict(None)
    with pytest.raises(ValueError, match=r"Expected to see 1 array\(s\), but instead got the following list of 2"):
        beside(X).predict([X, OTHER])


def computed(function):
    """A model of an input and of another one that stands for a function of the first; the latter comes first."""
    fed = Input((3,), name="fed")
    made = Input(tensor=function(fed), name="made")
    model = Model([made, fed], Dense(2, name="top")(Add()([made, fed])))
    model.compile(SGD(lr=0.01), "mse")
    return model


def test_an_input_that_stands_for_a_function_of_another():
    model = computed(lambda x: K.square(x) * K.cast(K.shape(x)[0], "float32"))
    kernel = model.get_weights()[0]
    assert model._feed_input_names == ["fed"] and model.input_names == ["made", "fed"]
    want = np.concatenate([(n * OTHER[i : i + 4] ** 2 + OTHER[i : i + 4]) @ kernel for i, n in ((0, 4), (4, 4), (8, 2))])
    for x in (OTHER, [OTHER], {"fed": OTHER}):
        np.testing.assert_allclose(model.predict(x, batch_size=4), want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict_on_batch(OTHER), (10 * OTHER**2 + OTHER) @ kernel, rtol=1e-4, atol=1e-4)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(copy.predict(OTHER, batch_size=4), want, rtol=1e-4, atol=1e-4)
    history = model.fit(OTHER, Y, batch_size=2, epochs=5, verbose=0, validation_data=(OTHER, Y)).history
    assert history["val_loss"][-1] < history["loss"][0]
    generated = model.fit_generator(iter([(OTHER[:2], Y[:2])] * 4), steps_per_epoch=4, verbose=0).history["loss"]
    assert np.isfinite(generated).all()


def test_noise_that_is_an_input_is_drawn_in_each_batch():
    model = computed(lambda x: K.random_normal((K.shape(x)[0], 3), stddev=2.0))
    model.set_weights([np.eye(3, 2), np.zeros(2)])
    noise = model.predict(np.zeros((1000, 3)))
    assert abs(noise.std() - 2) < 0.2 and abs(noise.mean()) < 0.3
    assert not np.array_equal(noise, model.predict(np.zeros((1000, 3))))


def test_an_input_that_stands_for_a_function_of_variables():
    v = K.variable(X)
    x = Input(tensor=K.concatenate([v, v * 2], axis=0))
    model = Model(x, Dense(2)(x))
    kernel = model.get_weights()[0]
    want = np.concatenate([X, 2 * X]) @ kernel
    np.testing.assert_allclose(model.predict(None, steps=1), want, rtol=1e-5, atol=1e-5)
    K.set_value(v, -X)
    np.testing.assert_allclose(model.predict_on_batch([]), -want, rtol=1e-5, atol=1e-5)
