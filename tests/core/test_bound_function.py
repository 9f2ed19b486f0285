"""Functions of users keep the values of variables from outside that they had when Keras would have called them."""

import copy
import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.bound_function import bound_function
from lamella.layers import Dense, Input, Lambda, concatenate
from lamella.models import Model, Sequential, clone_model

X = np.arange(12.0).reshape(4, 3)
place = 0


def test_lambdas_of_a_loop_differ():
    x = Input((3,))
    model = Model(x, [Lambda(lambda z: z[:, i : i + 1] * 1)(x) for i in range(3)])
    for i, found in enumerate(model.predict(X)):
        np.testing.assert_array_equal(found, X[:, i : i + 1])


def test_lambdas_of_a_loop_over_a_global_differ():
    global place
    x, parts = Input((3,)), []
    for place in range(3):
        parts.append(Lambda(lambda z: z[:, place : place + 1] * 1, output_shape=(1,))(x))
    model = Model(x, concatenate(parts))
    np.testing.assert_array_equal(model.predict(X), X)
    stacked = Sequential([Lambda(lambda z: z + place, input_shape=(3,))])
    place = 7
    np.testing.assert_array_equal(stacked.predict(X), X + 2)


def test_calls_of_one_lambda_keep_the_values_of_their_time():
    """The numbers are those of Keras, which calls the function for each call of the layer. All calls had the value of the first."""
    x, factor = Input((3,)), 1.0
    layer = Lambda(lambda z: z[:, : int(factor)] * factor)
    calls = []
    for factor in (1.0, 2.0, 3.0, 3.0):
        calls.append(layer(x))  # noqa: PERF401 - the variable of the loop is that of the function
    model = Model(x, calls)
    factor = 9.0
    assert model.output_shape == [(None, 1), (None, 2), (None, 3), (None, 3)]
    for again in (model, copy.deepcopy(model)):
        for n, found in zip((1, 2, 3, 3), again.predict(X)):
            np.testing.assert_array_equal(found, n * X[:, :n])
    model.compile("sgd", "mse")
    assert model.evaluate(X, [n * X[:, :n] for n in (1, 2, 3, 3)], verbose=0) == [0.0] * 5


def test_groups_of_channels_are_trained(float64):
    x, width = Input((4,)), 2
    groups = [Dense(1, use_bias=False)(Lambda(lambda z: z[:, c * width : (c + 1) * width])(x)) for c in range(2)]
    model = Model(x, concatenate(groups))
    model.compile("sgd", "mse")
    a, b = model.get_weights()
    data, y = np.arange(8.0).reshape(2, 4) / 4, np.ones((2, 2))
    out = np.concatenate([data[:, :2] @ a, data[:, 2:] @ b], 1)
    assert model.train_on_batch(data, y) == pytest.approx(((out - y) ** 2).mean())
    d = 2 * (out - y) / 4
    np.testing.assert_allclose(model.get_weights()[1], b - 0.01 * data[:, 2:].T @ d[:, 1:], rtol=1e-10)


def test_losses_and_metrics_of_a_loop_differ(float64):
    models = []
    for q in (0.1, 0.9):
        model = Sequential([Lambda(lambda z: z * 1, input_shape=(3,))])
        model.compile("sgd", lambda y, p: K.mean(K.maximum(q * (y - p), (q - 1) * (y - p)), axis=-1))
        models.append(model)
    assert models[0].prepared_steps.objective.anew().outputs[0].rows is models[0].prepared_steps.objective.outputs[0].rows
    for q, model in zip((0.1, 0.9), models):
        assert model.evaluate(X, X + 2, verbose=0) == pytest.approx(2 * q)


def test_activations_and_regularizers_of_a_loop_differ(float64):
    x = Input((3,))
    options = {"kernel_initializer": "identity", "use_bias": False}
    layers = [Dense(3, activation=lambda z: z * a, **options) for a in (0.25, 0.5)]
    layers += [Dense(3, kernel_regularizer=lambda w: b * K.sum(w), **options) for b in (1.0, 2.0)]
    model = Model(x, [layer(x) for layer in layers])
    model.compile("sgd", "mse")
    found = model.predict(X)
    np.testing.assert_allclose(found[0], 0.25 * X)
    np.testing.assert_allclose(found[1], 0.5 * X)
    assert model.evaluate(X, found, verbose=0)[0] == pytest.approx(3 * 1 + 3 * 2)


def test_copies_bind_the_present_values():
    value = 1.0
    model = Sequential([Lambda(lambda z: z + value, input_shape=(3,))])
    value = 2.0
    np.testing.assert_array_equal(model.predict(X), X + 1)
    np.testing.assert_array_equal(clone_model(model).predict(X), X + 2)  # as in Keras, which calls the function again
    assert copy.deepcopy(model).predict(X).shape == X.shape


def of_module(y, p):
    return K.mean(K.abs(y - p), axis=-1) * (1 + place)


def test_a_model_with_a_loss_of_a_module_pickles():
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", of_module, metrics=[of_module])
    again = pickle.loads(pickle.dumps(model))
    assert again.evaluate(X, X[:, :2], verbose=0) == pytest.approx(model.evaluate(X, X[:, :2], verbose=0))


def test_what_a_function_assigns_is_shared():
    count, late = 0, None

    def counting(step):
        nonlocal count
        count += step
        return later(count)

    bound = bound_function(counting)
    later = abs  # had no value yet
    assert bound(2) == 2 and counting(3) == 5 and count == 5
    assert bound_function(abs) is abs and bound.__name__ == "counting" and late is None

    def with_defaults(a, b=2, *, c=3):
        return a + b + c + place

    assert bound_function(with_defaults)(1) == 6 + place and bound_function(with_defaults)(1, c=0) == 3 + place
