"""A Lambda's function, or a call, that reads a tensor made by functions of K reads this tensor, not another computation of it."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda, Layer

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def test_gradient_for_a_tensor_that_the_function_reads():
    x = Input((3,))
    r = 0.1 * K.ones_like(x)
    y = Lambda(lambda t: (t + r) * r)(x)
    (slope,) = K.gradients(K.sum(y), [r])
    np.testing.assert_allclose(K.function([x], [slope])([X])[0], X + 0.2, rtol=1e-5)


def test_gradients_by_both_ways_are_added():
    x = Input((3,))
    r = 2.0 * x
    y = Lambda(lambda t: t * r)(x) + 3.0 * r
    (slope,) = K.gradients(K.sum(y), [r])
    np.testing.assert_allclose(K.function([x], [slope])([X])[0], X + 3, rtol=1e-5)


def test_random_numbers_are_drawn_once():
    x = Input((3,))
    r = K.random_normal(K.shape(x))
    y, noise = K.function([x], [Lambda(lambda t: t + r)(x), r])([X])
    np.testing.assert_allclose(y - X, noise, atol=1e-5)


def test_virtual_adversarial_direction():
    x = Input((3,))
    dense = Dense(2, activation="tanh")
    r = 0.1 * K.ones_like(x)
    distance = K.sum(K.square(dense(x) - dense(Lambda(lambda t: t + r)(x))))
    (direction,) = K.gradients(distance, [r])
    kernel, bias = dense.get_weights()
    moved = np.tanh((X + 0.1) @ kernel + bias)
    expected = (2 * (moved - np.tanh(X @ kernel + bias)) * (1 - moved**2)) @ kernel.T
    np.testing.assert_allclose(K.function([x], [direction])([X])[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["output_shape", "layer", "layer with a shape"])
def test_the_same_in_other_calls(kind):
    x = Input((3,))
    r = K.random_normal(K.shape(x))

    class Noisy(Layer):
        def call(self, inputs):
            return inputs + r

    class NoisyOfShape(Noisy):
        def compute_output_shape(self, input_shape):
            return input_shape

    layers = {
        "output_shape": Lambda(lambda t: t + r, output_shape=(3,)),
        "layer": Noisy(),
        "layer with a shape": NoisyOfShape(),
    }
    y, noise = K.function([x], [layers[kind](x), r])([X])
    np.testing.assert_allclose(y - X, noise, atol=1e-5)
