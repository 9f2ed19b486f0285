"""Elementwise functions of K on tensors of integers. Values and dtypes are those of the real Keras 2.2.5 on TensorFlow."""

import numpy as np
import pytest

from lamella import activations
from lamella import backend as K

ROWS = [[-3, -1, 0], [1, 2, 5]]
# (function, values, dtype; None for the tensor's own)
CASES = {
    "relu": (K.relu, [[0, 0, 0], [1, 2, 5]], None),
    "relu, alpha": (lambda x: K.relu(x, alpha=0.5), [[-1.5, -0.5, 0], [1, 2, 5]], "float32"),
    "activations.relu": (activations.relu, [[0, 0, 0], [1, 2, 5]], None),
    "minimum": (lambda x: K.minimum(x, 1), [[-3, -1, 0], [1, 1, 1]], None),
    "maximum": (lambda x: K.maximum(x, 1), [[1, 1, 1], [1, 2, 5]], None),
    "mod": (lambda x: x % 2, [[1, 1, 0], [1, 0, 1]], None),
    "add": (lambda x: x + 1, [[-2, 0, 1], [2, 3, 6]], None),
    "abs": (K.abs, [[3, 1, 0], [1, 2, 5]], None),
    "square": (K.square, [[9, 1, 0], [1, 4, 25]], None),
    "sign": (K.sign, [[-1, -1, 0], [1, 1, 1]], None),
    "clip": (lambda x: K.clip(x, 0, 2), [[0, 0, 0], [1, 2, 2]], None),
}


@pytest.mark.parametrize("dtype", ["int32", "int64", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_dtype(name, dtype):
    function, expected, kind = CASES[name]
    x = K.placeholder(shape=(2, 3), dtype=dtype)
    array = np.array(ROWS, dtype)
    for value in (K.function([x], [function(x)])([array])[0], K.eval(function(K.variable(array, dtype=dtype)))):
        np.testing.assert_array_equal(value, expected)
        assert value.dtype == (kind or dtype)


def test_what_needs_floats_raises():
    for named in ({"max_value": 2}, {"threshold": 1.0}):
        with pytest.raises(TypeError, match="max_value and threshold need a tensor of floats, got one of int32"):
            K.relu(np.array(ROWS, "int32"), **named)


def test_a_number_that_the_dtype_does_not_hold_keeps_its_value():
    y = K.minimum(np.array(ROWS, "int8"), 300)
    np.testing.assert_array_equal(y, ROWS)
    assert K.maximum(np.array(ROWS, "int8"), 300).max() == 300


# (shapes of x and y, the first values of the product and their sum), of x = 1000 i - 3 and y = i
DOTS = [
    ((2, 3), (3, 4), (2, 4), [19964, 22955, 25946, 28937], 393604),
    ((2, 2, 3), (3, 4), (2, 2, 4), [19964, 22955, 25946, 28937], 1579208),
    ((2, 3), (2, 3, 4), (2, 2, 4), [19964, 22955, 25946, 28937], 1506344),
    ((2, 2, 3), (2, 3, 2), (2, 2, 2, 2), [9982, 12973, 27928, 30919], 1515208),
    ((0, 3), (3, 2), (0, 2), [], 0),
]


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize(("left", "right", "shape", "first", "total"), DOTS)
def test_dot(left, right, shape, first, total, dtype):
    x, y = (np.arange(np.prod(s)).reshape(s).astype(dtype) for s in (left, right))
    x = x * 1000 - np.array(3, dtype)
    symbol = K.placeholder(shape=(None, *left[1:]), dtype=dtype)
    product = K.dot(symbol, K.constant(y, dtype=dtype))
    assert K.int_shape(product) == (None, *shape[1:]) and K.dtype(product) == dtype
    for value in (
        K.dot(x, y),
        K.function([symbol], [product])([x])[0],
        K.eval(K.dot(K.variable(x, dtype), K.variable(y, dtype))),
    ):
        assert value.shape == shape and value.dtype == dtype
        assert value.ravel()[:4].tolist() == first and value.sum() == total


def test_dot_needs_one_dtype_that_multiplies():
    for one, other in (("int32", "int64"), ("int32", "float32"), ("int8", "int8"), ("bool", "bool")):
        with pytest.raises(TypeError, match="K.dot: expected"):
            K.dot(np.ones((1, 2), one), np.ones((2, 1), other))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_maxima_of_windows(dtype):
    x = (np.arange(2 * 5 * 6 * 3) % 17).reshape(2, 5, 6, 3).astype(dtype)
    symbol = K.placeholder(shape=(None, 5, 6, 3), dtype=dtype)
    for padding, shape, first in (("valid", (2, 2, 5, 3), [4, 5, 6, 7, 8, 9]), ("same", (2, 3, 6, 3), [4, 5, 6, 7, 8, 9])):
        y = K.pool2d(symbol, (2, 2), strides=(2, 1), padding=padding)
        assert K.dtype(y) == dtype and K.int_shape(y) == (None, *shape[1:])
        value = K.function([symbol], [y])([x])[0]
        assert value.dtype == dtype and value.shape == shape and value.ravel()[:6].tolist() == first
        expected = K.pool2d(x.astype("float64"), (2, 2), strides=(2, 1), padding=padding)
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(TypeError, match="K.pool2d: expected tensors of float32 or float64"):
        K.pool2d(x, (2, 2), pool_mode="avg")


def test_maxima_of_too_large_integers_raise():
    x = np.full((1, 2, 2, 1), 2**53, "int64")
    assert K.pool2d(x, (2, 2)).item() == 2**53
    with pytest.raises(ValueError, match=r"numbers of at most 2\*\*53"):
        K.pool2d(x + 1, (2, 2))
