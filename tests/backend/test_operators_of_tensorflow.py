"""What scripts write for the tensors and sizes of TensorFlow 1: operators, sizes with `value`, and numbers beside tensors."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Cropping2D, Dense, Input, Lambda, concatenate
from lamella.models import Model

X = np.random.default_rng(0).uniform(0.01, 1, (3, 4)).astype(np.float32)
OPERATORS = {
    "mod": lambda x: x % 0.25,
    "mod_of_a_number": lambda x: 2 % x,
    "floor_divide": lambda x: x // 0.25,
    "floor_divide_of_a_number": lambda x: 2 // x,
    "and": lambda x: (x > 0.2) & (x < 0.6),
    "or": lambda x: (x < 0.2) | (x > 0.6),
    "xor": lambda x: (x > 0.2) ^ (x > 0.6),
    "not": lambda x: ~(x > 0.5),
}
parametrize = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


@parametrize
def test_an_operator_of_symbolic_tensors_is_that_of_numpy(operator):
    x = K.placeholder(shape=(None, 4))
    got = K.function([x], [operator(x)])([X])[0]
    assert got.dtype == operator(X).dtype
    np.testing.assert_array_equal(got, operator(X))


@parametrize
def test_an_operator_in_a_lambda_is_that_of_numpy(operator):
    x = Input((4,))
    np.testing.assert_array_equal(Model(x, Lambda(operator)(x)).predict(X), operator(X))


def test_operators_of_variables_follow_the_variable():
    v = K.variable(np.arange(4.0))
    mod, quotient = v % 3, v // 2
    K.set_value(v, [4.0, 5.0, 6.0, 7.0])
    np.testing.assert_array_equal(K.eval(mod), [1, 2, 0, 1])
    np.testing.assert_array_equal(K.eval(quotient), [2, 2, 3, 3])


def test_remainders_train_and_quotients_are_constants():
    x = Input((4,))
    y = Lambda(lambda t: t % 0.25 + t // 0.25)(Dense(4, kernel_initializer="identity", use_bias=False)(x))
    model = Model(x, y)
    model.compile("sgd", "mse")
    before, target = model.get_weights()[0], np.zeros_like(X)
    model.train_on_batch(X, target)
    gradient = X.T @ (2 * (X % 0.25 + X // 0.25)) / X.size
    np.testing.assert_allclose(model.get_weights()[0], before - 0.01 * gradient, rtol=1e-4, atol=1e-6)


def test_arithmetic_of_sizes_keeps_value():
    a, b = Input((9, 8, 2)).get_shape(), Input((6, 5, 2)).get_shape()
    assert [(a[1] - b[1]).value, (a[1] + 1).value, (1 + a[1]).value, (2 * a[1]).value, (a[1] // 2).value, (a[1] % 2).value] == [
        3, 10, 10, 18, 4, 1,
    ]  # fmt: skip
    assert (10 - a[1]).value == 1 and a[1] * 0.5 == 4.5 and a[1] / 2 == 4.5


def test_a_crop_computed_from_sizes():
    def cropped(big, small):
        rows, columns = ((big.get_shape()[i] - small.get_shape()[i]).value for i in (1, 2))
        assert rows >= 0 and columns >= 0
        return Cropping2D(((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)))(big)

    a, b = Input((9, 8, 2)), Input((6, 5, 2))
    assert concatenate([cropped(a, b), b], axis=3).shape == (None, 6, 5, 4)


def test_stack_takes_numbers_beside_tensors():
    x, v = Input((None, 2)), Input((3,))
    repeated = Lambda(lambda t: K.tile(K.expand_dims(t[1], 1), K.stack([1, K.shape(t[0])[1], 1])))([x, v])
    got = Model([x, v], repeated).predict([np.ones((3, 5, 2)), X[:, :3]])
    np.testing.assert_array_equal(got, np.repeat(X[:, None, :3], 5, axis=1))
    y = K.placeholder(shape=(None, 4))
    np.testing.assert_array_equal(K.function([y], [K.stack([y[0, 0], 2])])([X])[0], np.float32([X[0, 0], 2]))
    np.testing.assert_array_equal(K.function([y], [K.reshape(y, K.stack([K.shape(y)[0], 2, 2]))])([X])[0], X.reshape(3, 2, 2))
