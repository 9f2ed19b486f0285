"""Attributes that a program changes between two calls of a custom layer: each call keeps the values of its time, as in Keras."""

import copy
import threading

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Layer, Masking, Reshape
from lamella.models import Model

X = np.arange(1.0, 13.0).reshape(4, 3)


class Scaled(Layer):
    """scale * x."""

    supports_masking = True

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs):
        return inputs * self.scale


def test_each_call_keeps_its_value():
    """Both calls had the last value."""
    x, layer = Input((3,)), Scaled()
    first = layer(x)
    alone = Model(x, first)
    np.testing.assert_array_equal(alone.predict(X), X)
    layer.scale = 2.0
    model = Model(x, [first, layer(x)])
    layer.scale = 9.0
    for again in (model, copy.deepcopy(model)):
        a, b = again.predict(X)
        np.testing.assert_array_equal(a, X)
        np.testing.assert_array_equal(b, 2 * X)
    np.testing.assert_array_equal(alone.predict(X), X)  # also in a model that ran before the second call
    assert layer.scale == 9.0


def test_gradients_belong_to_the_values(float64):
    x, layer = Input((3,)), Scaled()
    dense = Dense(1, use_bias=False)
    first = layer(dense(x))
    layer.scale = 3.0
    model = Model(x, [first, layer(dense(x))])
    model.compile("sgd", "mse")
    (w,) = model.get_weights()
    y = np.zeros((4, 1))
    model.train_on_batch(X, [y, y])
    slope = 2 * X.T @ (X @ w) / 4
    np.testing.assert_allclose(model.get_weights()[0], w - 0.01 * (slope + 9 * slope), rtol=1e-12)


def test_values_with_masks_and_in_threads():
    x, layer = Input((3,)), Scaled()
    steps = Masking()(Reshape((3, 1))(x))
    calls = []
    for layer.scale in range(8):
        calls.append(layer(steps))
    model = Model(x, calls)
    wrong = []

    def predict():
        for _ in range(20):
            wrong.extend(n for n, y in enumerate(model.predict(X)) if not np.array_equal(y[..., 0], n * X))

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_functions_and_arrays_are_values():
    class Applied(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.function, self.offset = K.square, np.float32(1)

        def call(self, inputs):
            return self.function(inputs) + self.offset

    x, layer = Input((3,)), Applied()
    first = layer(x)
    layer.function, layer.offset = K.abs, np.array([1.0, 2.0, 3.0], "float32")
    a, b = Model(x, [first, layer(x)]).predict(-X)
    np.testing.assert_array_equal(a, X * X + 1)
    np.testing.assert_array_equal(b, X + [1, 2, 3])


def test_what_calls_change_themselves_is_not_a_value():
    """A counter counts runs also if the model runs between two calls, and layers that are frozen between them stay so."""

    class Counting(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.runs = 0

        def call(self, inputs):
            self.runs += 1
            self.size = int(K.int_shape(inputs)[0] or 0)
            return inputs * 1

    x, layer = Input((3,)), Counting()
    first = layer(x)
    Model(x, first).predict(X)
    layer.trainable = False
    model = Model(x, layer(first))
    before = layer.runs
    model.predict(X)
    assert layer.runs == before + 2 and layer.size == 4
    assert layer.differs_in_calls == frozenset()


@pytest.mark.parametrize("changed", [True, False])
def test_the_present_value_counts_if_the_calls_do_not_differ(changed):
    x, layer = Input((3,)), Scaled()
    model = Model(x, [layer(x), layer(x)])
    if changed:
        layer.scale = 4.0
    for y in model.predict(X):
        np.testing.assert_array_equal(y, (4 if changed else 1) * X)


def test_arguments_of_a_lambda():
    x, layer = Input((3,)), Lambda(lambda z, n: z * n, arguments={"n": 1.0})
    first = layer(x)
    layer.arguments["n"] = 2.0
    a, b = Model(x, [first, layer(x)]).predict(X)
    np.testing.assert_array_equal(a, X)
    np.testing.assert_array_equal(b, 2 * X)
