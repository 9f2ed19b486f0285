"""dtypes, static shapes and values of functions of K that Keras 2.2.5 gave in tests/parity/real_keras, on TensorFlow 2.21."""

import numpy as np
import pytest

from lamella import activations
from lamella import backend as K
from lamella.layers import Input, Lambda


def test_eval_of_a_scalar_gives_a_number():
    for x in (K.variable(2.5), K.constant(2.5), K.sum(K.variable([1.0, 1.5])), K.variable([1.0, 1.5])[1] + 1):
        assert isinstance(K.eval(x), np.float32) and round(K.eval(x), 1) == 2.5


def test_a_given_dtype_is_kept():
    x = K.variable([[1.0, 2.0]])
    for y in (K.cast(x, "float64"), K.zeros_like(x, dtype="float64"), K.ones_like(x, "float64")):
        assert K.dtype(y) == "float64" and K.eval(y).dtype == np.float64
    assert K.dtype(K.cast(x, "float64") * 2) == "float64"


def test_zeros_like_and_ones_like_are_of_floatx():
    for function in (K.zeros_like, K.ones_like):
        for dtype in ("int32", "float64", "bool"):
            assert (
                K.dtype(function(K.variable([1, 0], dtype=dtype))) == K.dtype(function(K.constant([1, 0], dtype))) == "float32"
            )


def test_pow_and_arange_have_the_dtype_of_their_arguments():
    y = K.pow(K.variable([2, 3], dtype="int32"), 2)
    assert K.dtype(y) == "int32" and K.eval(y).tolist() == [4, 9]
    np.testing.assert_array_equal(K.eval(K.arange(-2, 3, 2, "bool")), [True, False, True])


def test_softmax_of_a_vector():
    y = K.softmax(K.variable([0.0, np.log(3.0)]), 0)
    np.testing.assert_allclose(K.eval(y), [0.25, 0.75], rtol=1e-6)
    assert activations.get(K.softmax) is activations.get("softmax")
    with pytest.raises(ValueError, match="1D"):
        activations.softmax(K.variable([0.0, 1.0]))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((None, 4, None, 3, 1), (None, 1, None, 1), (None, 4, None, 3, 1)),
        ((None, None), (3,), (None, 3)),
        ((None, None, 5), (None, 1, 1), (None, None, 5)),
        ((None, 4), (None, 4, None), (None, 4, 4)),
        ((None, 1), (None, None), (None, None)),
    ],
)
def test_unknown_sizes_are_broadcast(a, b, expected):
    x, y = K.placeholder(a), K.placeholder(b)
    for function in (K.maximum, K.greater, lambda x, y: x - y, lambda x, y: x % y, lambda x, y: x // y):
        assert K.int_shape(function(x, y)) == K.int_shape(function(y, x)) == expected
    values = np.full([1 if d is None else d for d in a], 5), np.ones([1 if d is None else d for d in b])
    np.testing.assert_array_equal(K.function([x, y], [x - y])(values)[0], values[0] - values[1])


def test_broadcasting_with_a_constant_of_the_same_graph():
    x = K.placeholder((None, None))
    assert K.int_shape(x * np.ones((1, 3))) == (None, 3) and K.int_shape(x + 1) == (None, None)
    with pytest.raises(ValueError, match="cannot be applied"):
        K.placeholder((None, 2)) + np.ones(3)


def test_squeeze_and_reshape_of_unknown_sizes():
    x = K.placeholder((None, 4, None, 1, 2))
    assert K.int_shape(K.squeeze(x, 2)) == (None, 4, 1, 2) and K.int_shape(K.squeeze(x, 0)) == (4, None, 1, 2)
    assert K.int_shape(K.reshape(x, (3, 8))) == (3, 8) and K.int_shape(K.reshape(x, (-1, 8))) == (None, 8)
    values = np.arange(24.0).reshape(3, 4, 1, 1, 2)
    np.testing.assert_array_equal(K.function([x], [K.reshape(x, (3, 8))])([values])[0], values.reshape(3, 8))
    with pytest.raises(ValueError, match="squeeze"):
        K.squeeze(x, 1)


def test_gradients_through_functions_without_gradients_are_zeros():
    x = K.variable([[1.4, 2.6]])
    for y in (K.round(x), K.argmax(x), x // 2, K.stop_gradient(x), K.zeros_like(x), K.cast(x, "int32")):
        np.testing.assert_array_equal(K.eval(K.gradients(K.sum(y * y), [x])[0]), [[0, 0]])


def test_dot_of_more_axes_and_of_unknown_sizes():
    rng = np.random.default_rng(0)
    for a, b in (((3, 4, 3, 2), (1, 2, 2, 1)), ((2, 3), (4, 2, 3, 5)), ((1, 2), (1, 1, 2, 1))):
        x, y = rng.normal(size=a).astype("float32"), rng.normal(size=b).astype("float32")
        np.testing.assert_allclose(K.eval(K.dot(K.variable(x), K.variable(y))), np.dot(x, y), rtol=1e-5, atol=1e-6)
    assert K.int_shape(K.dot(K.placeholder((None, 4)), K.placeholder((None, 3)))) == (None, 3)
    assert K.int_shape(K.batch_dot(K.placeholder((None, 1, None, 3)), K.placeholder((None, 4)), axes=(2, 1))) == (None, 1, 3)
    assert K.int_shape(K.batch_dot(K.placeholder((None, 1, None, 4)), K.placeholder((None, 1, None, 3))))[0] is None
    assert K.int_shape(K.dot(K.placeholder((None, 3, None, 4)), K.placeholder((None, 2, None, 1))))[0] is None


def test_scalars_and_numbers_of_python_stay_in_floatx():
    x = K.constant(1.5)
    for y in (K.maximum(x, 2.0), K.minimum(0.5, x), K.pow(x, 0.5), K.l2_normalize(x), K.sum(x) * 2.5):
        assert K.dtype(y) == "float32"
    assert K.eval(K.l2_normalize(x)) == 1 and K.dtype(K.maximum(K.constant(1.5, "float64"), 2.0)) == "float64"


def test_gradients_by_variables_that_a_step_reads():
    # Keras 2.2.5 gave these numbers for the gradients by x, the state and w.
    x, state, w = K.variable(np.ones((1, 3, 2))), K.variable(np.zeros((1, 2))), K.variable(np.eye(2) * 0.5)

    def step(inputs, states):
        h = inputs + K.dot(states[0], w)
        return h, [h]

    last, outputs, states = K.rnn(step, x, [state])
    by_state, by_w = K.gradients(K.sum(last), [state, w])
    np.testing.assert_allclose(K.eval(by_state), [[0.125, 0.125]])
    np.testing.assert_allclose(K.eval(by_w), [[2, 2], [2, 2]])
    numbers = K.variable([1.0, 2.0, 3.0])
    for y in (K.sum(K.map_fn(lambda e: e * w, numbers)), K.foldl(lambda a, e: a + e * K.sum(w), numbers, K.constant(0.0))):
        np.testing.assert_allclose(K.eval(K.gradients(y, [w])[0]), np.full((2, 2), 6))


def test_gradients_by_variables_that_a_lambda_reads():
    # Keras 2.2.5 gave these numbers.
    x, v, w = Input((3,)), K.variable(np.ones((3, 2))), K.variable([1.0, 2.0, 3.0])
    by_w, by_x = K.gradients(K.sum(Lambda(lambda t: t * w)(x)), [w, x])
    by_v = K.gradients(K.sum(K.square(Lambda(lambda t: K.dot(t, v))(x))), v)[0]
    found = K.function([x], [by_w, by_x, by_v])([np.ones((2, 3))])
    for slope, expected in zip(found, ([2, 2, 2], [[1, 2, 3], [1, 2, 3]], np.full((3, 2), 12)), strict=True):
        np.testing.assert_allclose(slope, expected)
