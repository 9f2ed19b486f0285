"""UserArray: numbers of NumPy beside it, and results of NumPy's functions."""

import operator

import numpy as np
import pytest

from lamella.core.user_array import UserArray


def user(values, dtype):
    return np.array(values, dtype).view(UserArray)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.int64(2)], ids=repr)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_a_floating_array_keeps_its_dtype_beside_a_number_of_numpy(dtype, number, name):
    function, x = getattr(operator, name), user([1, 2, 4], dtype)
    for got, wanted in (
        (function(x, number), function(np.array([1.0, 2, 4]), 2)),
        (function(number, x), function(2, np.array([1.0, 2, 4]))),
    ):
        assert type(got) is UserArray and got.dtype == dtype
        np.testing.assert_allclose(got, wanted.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", [np.array([0.1, 3.0]), np.array([0.1, 3.0], np.float32), np.arange(1, 3), [0.1, 3.0], (1, 2)])
def test_floats_keep_their_dtype_beside_plain_arrays_and_lists(dtype, other):
    x = user([1, 2], dtype)
    constant = np.asarray(other).astype(dtype)
    for function in (np.add, np.subtract, np.maximum, np.true_divide, np.power):
        for got, wanted in (
            (function(x, other), function(x.view(np.ndarray), constant)),
            (function(other, x), function(constant, x.view(np.ndarray))),
        ):
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, wanted)
    assert ((x > other) == (x.view(np.ndarray) > constant)).all()
    assert np.ldexp(x, np.array([1, 2])).tolist() == [2, 8]


def test_indices_and_outputs_beside_tensors_stay():
    x = user([1, 2, 4], np.float32)
    assert np.add.reduceat(x, np.array([0, 2])).tolist() == [3, 4]
    assert np.add.outer(x, np.ones(2)).dtype == np.float32
    y = x.copy()
    np.negative.at(y, np.array([0, 2]))
    np.add.at(y, [1], np.array([0.5]))
    assert y.tolist() == [-1, 2.5, -4]
    assert np.multiply(np.full(3, 2.0, np.float32), np.full(3, 3.0, np.float32), out=x) is x and x.tolist() == [6, 6, 6]


def test_tensors_of_several_dtypes_and_integers_follow_numpy():
    x = user([1, 2], np.float32)
    assert (x + user([1, 2], np.float64)).dtype == np.float64
    assert (x + np.array([True, False])).tolist() == [2, 2]
    assert (user([1, 2], np.int32) * np.float64(0.5)).tolist() == [0.5, 1.0]
    assert (x > np.float64(1)).tolist() == [False, True]


def test_functions_of_numpy_give_arrays_of_the_class():
    x = user([[1, 4], [9, 16]], np.float32)
    assert [type(v) for v in (np.sqrt(x), x.sum(), np.add.outer(x, x), *np.modf(x))] == [UserArray] * 5
    assert x.sum().tolist() == 30 and np.sqrt(x).tolist() == [[1, 2], [3, 4]]
    out = user(np.zeros((2, 2)), np.float32)
    assert np.multiply(x, np.float64(2), out=out) is out and out.tolist() == [[2, 8], [18, 32]]
    with pytest.raises(ValueError, match="could not be broadcast"):
        x + np.ones(3, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_operators_of_large_arrays_give_numpys_results(dtype, name):
    """Kernels compute these of floats, on all threads."""
    function, rng = getattr(operator, name), np.random.default_rng(0)
    plain = rng.integers(1, 4, (40, 30, 50)).astype(dtype)
    x = plain.view(UserArray)
    others = [2, 3, plain[:1, :1, :1], plain[0], plain[:, :1, :1], plain, plain.view(UserArray), np.float64(2)]
    if dtype is not np.int64:
        others += [0.5, -2.5]
    for other in others:
        number = 2 if isinstance(other, np.floating) and dtype is not np.int64 else other
        for got, wanted in ((function(x, other), function(plain, number)), (function(other, x), function(number, plain))):
            assert type(got) is UserArray and got.dtype == wanted.dtype and got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-6 if dtype is not np.float16 else 1e-3)


def test_functions_of_numpy_of_two_large_arrays():
    x = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
    user, y = x.view(UserArray), np.zeros((300, 300), np.float32)
    np.testing.assert_array_equal(np.maximum(user, 0), np.maximum(x, 0))
    np.testing.assert_array_equal(np.minimum(user, user.T), np.minimum(x, x.T))
    np.testing.assert_array_equal(np.add(user, 1, where=x > 0, out=y), np.where(x > 0, x + 1, 0))
    assert np.add.reduce(user, axis=0).shape == (300,) and np.multiply.outer(user[0], user[1]).shape == (300, 300)
    np.testing.assert_array_equal(np.divide(user, 2, dtype=np.float64), np.divide(x, 2, dtype=np.float64))
    assert np.add(user, True).dtype == np.float32
    with pytest.raises(ValueError, match="could not be broadcast"):
        user + np.ones((299, 300), np.float32)
