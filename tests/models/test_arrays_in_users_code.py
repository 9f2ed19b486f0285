"""Users' code in a Lambda, layer, loss or metric gets arrays that behave as TensorFlow's tensors, with and without a tape."""

import numpy as np
import pytest

import lamella
from lamella import backend as K
from lamella.layers import Activation, Dense, Input, Lambda, Layer
from lamella.models import Model, Sequential

X = np.arange(12, dtype="float32").reshape(4, 3) / 8


def added(x):
    x += 1
    return x


class Doubled(Layer):
    def call(self, x):
        x *= 2.0
        x -= K.zeros_like(x)
        return x


def test_augmented_assignment_does_not_change_the_input_of_other_layers():
    x = Input((3,))
    model = Model(x, [Activation("linear")(x), Lambda(added)(x), Doubled()(x)])
    given = X.copy()
    for outputs in (model.predict(given), model.predict_on_batch(given), K.function([x], model.outputs)([given])):
        for found, wanted in zip(outputs, (X, X + 1, X * 2)):
            np.testing.assert_array_equal(found, wanted)
            assert type(found) is np.ndarray
    np.testing.assert_array_equal(given, X)


def test_a_sum_that_begins_with_zeros_of_a_tensors_shape_trains():
    def tripled(x):
        y = K.zeros_like(x)
        for _ in range(3):
            y += x
        return y

    model = Sequential([Dense(1, kernel_initializer="ones", input_shape=(3,)), Lambda(tripled)])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X), 3 * X.sum(1, keepdims=True), rtol=1e-6)
    gradient = model.gradients_on_batch(X, np.zeros((4, 1)))[0]
    total = X.sum(1, keepdims=True)
    np.testing.assert_allclose(gradient, 2 * X.T @ (9 * total) / 4, rtol=1e-5)


@pytest.mark.parametrize(
    "size", [lambda x: x.shape.as_list()[-1], lambda x: x.get_shape()[-1], lambda x: x.get_shape().as_list()[1]]
)
def test_shapes_behave_as_those_of_tensorflow(size):
    class Halved(Layer):
        def call(self, x):
            return x / size(x)

    def loss(y_true, y_pred):
        return K.sum(K.square(y_true - y_pred), axis=-1) / size(y_pred)

    def metric(y_true, y_pred):
        return K.sum(y_pred) * 0 + size(y_true) + size(y_pred)

    model = Sequential([Dense(3, input_shape=(3,)), Halved(), Lambda(lambda x: x * size(x))])
    model.compile("sgd", loss, metrics=[metric])
    wanted = np.mean((model.predict(X) - X) ** 2)
    found = model.evaluate(X, X, verbose=0)
    np.testing.assert_allclose(found, [wanted, 6], rtol=1e-6)
    np.testing.assert_allclose(model.train_on_batch(X, X), found, rtol=1e-6)
    assert size(model.output) == 3


def test_a_loss_and_a_metric_do_not_change_y():
    def loss(y_true, y_pred):
        y_true -= 1
        return K.mean(K.square(y_true - y_pred), axis=-1)

    def metric(y_true, y_pred):
        y_true *= 0
        return K.mean(y_pred + y_true)

    model = Sequential([Dense(3, input_shape=(3,))])
    model.compile("sgd", loss, metrics=[metric])
    y = X.copy()
    wanted = np.mean((y - 1 - model.predict(X)) ** 2), model.predict(X).mean()
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0), wanted, rtol=1e-6)
    model.train_on_batch(X, y)
    np.testing.assert_array_equal(y, X)


def test_in_the_dialect_of_tf_metrics_get_such_tensors():
    def metric(y_true, y_pred):
        y_true += y_pred.shape.as_list()[-1]
        return K.mean(y_true)

    lamella.config.set_dialect("tf")
    try:
        model = Sequential([Dense(3, input_shape=(3,))])
        model.compile("sgd", "mse", metrics=[metric])
        np.testing.assert_allclose(model.evaluate(X, X, verbose=0)[1], X.mean() + 3, rtol=1e-6)
    finally:
        lamella.config.set_dialect("keras2")


@pytest.mark.parametrize("part", [lambda v: v[:2], lambda v: v * 1.0, lambda v: -v, lambda v: K.reshape(v, (3,)), lambda v: v])
def test_in_place_operators_leave_weights_as_they_are(part):
    class Shifted(Layer):
        def build(self, input_shape):
            self.v = self.add_weight("v", (3,), initializer="ones")
            self.rows = K.sum(K.ones((4, 1)), axis=1, keepdims=True)  # a symbolic tensor
            super().build(input_shape)

        def call(self, x):
            t = part(self.v)
            t += 1.0
            t += self.rows
            return x * K.sum(t)

    model = Model(x := Input((3,)), Shifted()(x))
    model.compile("sgd", "mse")
    data = np.ones((4, 3), "f4")
    first = np.asarray(part(np.ones(3)))
    wanted = 4 * (first + 2).sum()
    np.testing.assert_allclose(model.predict(data), np.full((4, 3), wanted), rtol=1e-6)
    np.testing.assert_allclose(model.test_on_batch(data, data), (wanted - 1) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0], np.ones(3))
    assert model.gradients_on_batch(data, data)[0].shape == (3,)
