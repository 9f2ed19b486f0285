"""Arguments of wrong types are refused by an error that names the argument."""

import re

import numpy as np
import pytest

from lamella import _kernels

X, Y = np.array([-1.5, 0.25], np.float32), np.empty(2, np.float32)
SGD = ([X], [Y], [], 0.1, 0.0)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("tanh_forward", (X,), "tanh_forward: expected 2 arguments, (In x, InPlace y), got 1"),
        ("tanh_forward", (X, Y, Y), "tanh_forward: expected 2 arguments, (In x, InPlace y), got 3"),
        ("relu_forward", (X, "0", 1.0, 0.0, Y), "relu_forward: argument 'alpha': expected a number, got str"),
        ("relu_forward", (X, X, 1.0, 0.0, Y), "relu_forward: argument 'alpha': expected a number, got float32 (2,)"),
        ("sgd_update", (*SGD, 0.5, ([], 1, 0, 0, 0)), "sgd_update: argument 'nesterov': expected an int, got float"),
        ("sgd_update", (*SGD, 2**64, ([], 1, 0, 0, 0)), "sgd_update: argument 'nesterov': expected an int, got int"),
        ("sgd_update", ((X,), *SGD[1:], 0, ([], 1, 0, 0, 0)), "sgd_update: argument 'ps': expected a list, got tuple"),
        ("sgd_update", (*SGD, 0, ((), 1, 0, 0, 0)), "sgd_update: argument 'sums': expected a list, got tuple"),
        ("sgd_update", (*SGD, 0, ([], 1, 0, 0, None)), "sgd_update: argument 'clip': expected a number, got NoneType"),
        (
            "sgd_update",
            (*SGD, 0, ([], 1)),
            "sgd_update: argument 'sums': expected a tuple (sums, scale, norm, norm_each, clip)",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_name(name, arguments, message):
    with pytest.raises(TypeError, match="^" + re.escape(message)):
        getattr(_kernels, name)(*arguments)


def test_keyword_arguments_are_refused():
    with pytest.raises(TypeError, match=r"tanh_forward\(\) takes no keyword arguments"):
        _kernels.tanh_forward(X, y=Y)


def test_numbers_of_numpy_and_ints_are_accepted():
    for alpha, ceiling in ((np.float32(0.5), 3), (np.int64(0), np.float64("inf")), (True, np.array(2.0))):
        _kernels.relu_forward(X, alpha, ceiling, 0, Y)
        np.testing.assert_array_equal(Y, np.where(X < 0, np.float32(alpha) * X, X))
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    y = np.empty_like(x)
    _kernels.standardize_images(x, (2, np.int8(0), False, np.empty(0), np.empty(0)), y)
    np.testing.assert_array_equal(y, 2 * x)


def test_an_error_of_a_custom_number_is_raised_with_the_argument():
    class Number:
        def __float__(self):
            raise RuntimeError("none")

    with pytest.raises(TypeError, match="argument 'threshold': expected a number, got Number"):
        _kernels.relu_forward(X, 0, 1, Number(), Y)
