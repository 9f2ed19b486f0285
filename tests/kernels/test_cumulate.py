"""Sums and products so far, against NumPy and a loop."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(n, s, c) for n in (0, 1, 3) for s in (0, 1, 2, 7, 60) for c in (0, *range(1, 34), 1023, 1025)]
ROWS = [(n, s, 1) for n in range(1, 18) for s in (1, 2, 5, 300)]


def cumulated(x, factors=None, product=0, reverse=0):
    y = Guarded(x.shape, x.dtype, 3)
    _kernels.cumulate(x, np.empty(0, x.dtype) if factors is None else factors, product, reverse, y.array)
    assert y.intact()
    return y.array


def scaled(x, factors):
    y = x.astype(np.float64)
    for i in range(1, x.shape[1]):
        y[:, i] += factors[:, i - 1] * y[:, i - 1]
    return y


@dtypes
def test_sums_and_products(target, dtype):
    rng = np.random.default_rng(0)
    for shape in SHAPES + ROWS:
        x = surrounded(rng.uniform(0.5, 1.5, shape), dtype, 1)
        factors = surrounded(rng.uniform(-1, 1, shape), dtype, 2)
        exact = x.astype(np.float64)
        close(cumulated(x), exact.cumsum(1), 64)
        close(cumulated(x, product=1), exact.cumprod(1), 400)
        close(cumulated(x, factors), scaled(exact, factors.astype(np.float64)), 64)
        back = exact[:, ::-1]
        close(cumulated(x, reverse=1), back.cumsum(1)[:, ::-1], 64)
        close(cumulated(x, product=1, reverse=1), back.cumprod(1)[:, ::-1], 400)
        close(cumulated(x, factors, reverse=1), scaled(back, factors[:, ::-1].astype(np.float64))[:, ::-1], 64)


def test_one_after_another_as_numpy_does(target):
    x = np.random.default_rng(1).normal(size=(3, 500, 5)).astype(np.float32)
    np.testing.assert_array_equal(cumulated(x), x.cumsum(1))
    np.testing.assert_array_equal(cumulated(x[:, :, :1].copy()), x[:, :, :1].cumsum(1))


@dtypes
def test_rows_on_one_and_two_threads(target, threads, dtype):
    x = np.random.default_rng(3).normal(size=(901, 150, 1)).astype(dtype)
    found = []
    for count in (1, 2):
        _kernels.set_num_threads(count)
        found.append([cumulated(x, reverse=1), cumulated(x, factors=x)])
    assert all(np.array_equal(one, two) for one, two in zip(*found))


def test_bad_arguments_are_refused():
    x, none = np.ones((2, 3, 4)), np.empty(0)
    for arguments in ((x[0].copy(), none, 0, x[0].copy()), (x, none, 0, x[:1].copy()), (x, x[:1].copy(), 0, x.copy())):
        with pytest.raises(ValueError, match="cumulate: requires"):
            _kernels.cumulate(*arguments[:3], 0, arguments[3])
    with pytest.raises(ValueError, match="cumulate: requires"):
        _kernels.cumulate(x, x.copy(), 1, 0, x.copy())
