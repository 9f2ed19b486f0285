"""The remainder of large arrays is a kernel's where its result is NumPy's, and NumPy's elsewhere."""

import numpy as np
import pytest

from lamella import ops
from lamella.core.user_array import UserArray
from lamella.core.variable import Variable
from lamella.ops.tape import Tape

X = np.random.default_rng(0).normal(size=(40, 50, 30)).astype("float32") * 5
ROW = np.random.default_rng(1).uniform(0.5, 2, 30).astype("float32")


@pytest.mark.parametrize(
    "b", [np.float32(0.7), np.full((1, 1), -0.7, "float32"), X[::-1].copy(), ROW, np.float32(0), np.float32(1e-9)]
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_remainders_are_those_of_numpy(b):
    b = np.asarray(b)
    np.testing.assert_array_equal(ops.mod(X, b), np.mod(X, b))
    np.testing.assert_array_equal(ops.mod(b, X), np.mod(b, X))
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(Variable(X) // b, np.floor_divide(X, b))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 1e30, -0.0])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_special_values(special):
    x = X.copy()
    x[3, 4, 5] = special
    np.testing.assert_array_equal(ops.mod(x, np.float32(0.75)), np.mod(x, np.float32(0.75)))
    np.testing.assert_array_equal(Variable(x) // 0.75, np.floor_divide(x, np.float32(0.75)))


def test_operators_of_what_a_call_gets():
    x = X.view(UserArray)
    np.testing.assert_array_equal(x % 0.75, np.mod(X, np.float32(0.75)))
    np.testing.assert_array_equal(x // 0.75, np.floor_divide(X, np.float32(0.75)))


def test_a_divisor_with_more_axes():
    assert ops.mod(X, np.full((1, 1, 1, 1), 0.5, "float32")).shape == (1, 40, 50, 30)


def test_gradients_of_large_arrays():
    b = np.array(0.75)
    with Tape() as tape:
        x, divisor = tape.watch(X.astype("float64")), tape.watch(b)
        y = ops.mod(x, divisor)
    dy = np.random.default_rng(2).normal(size=X.shape)
    dx, db = tape.gradients([(y, dy)])
    np.testing.assert_array_equal(dx, dy)
    np.testing.assert_allclose(db, -(dy * np.floor(X.astype("float64") / b)).sum(), rtol=1e-10)
