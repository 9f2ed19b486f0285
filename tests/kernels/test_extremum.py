"""The largest and smallest elements along an axis, and their gradient, against NumPy."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
smallest = pytest.mark.parametrize("smallest", [0, 1])


def check(x, dy, smallest):
    x, dy = surrounded(x, dy.dtype, 1), surrounded(dy, dy.dtype)
    best = (np.min if smallest else np.max)(x, axis=1)
    y, dx = Guarded(dy.shape, dy.dtype, 1), Guarded(x.shape, dy.dtype, 2)
    _kernels.extremum_forward(x, smallest, y.array)
    np.testing.assert_array_equal(y.array, best)
    _kernels.extremum_backward(x, y.array, dy, dx.array)
    winners = x == best[:, None]
    np.testing.assert_array_equal(dx.array, np.where(winners, (dy / winners.sum(axis=1).astype(dy.dtype))[:, None], 0))
    assert y.intact() and dx.intact()


@pytest.mark.parametrize("columns", [*range(1, 34), 1023, 1025])
@smallest
@dtypes
def test_equal_ones_share_the_gradient(target, dtype, smallest, columns):
    rng = np.random.default_rng(columns)
    for images, places in ((1, 1), (2, 5), (3, 49), (2, 300), (0, 2)):
        values = rng.integers(-9, 9, (images, places, columns))
        check(values, rng.normal(size=(images, columns)).astype(dtype), smallest)


@pytest.mark.parametrize("places", [*range(1, 134), 20_001])
@smallest
@dtypes
def test_rows_of_every_length(target, dtype, smallest, places):
    rng = np.random.default_rng(places)
    check(rng.integers(-9, 9, (3, places, 1)), rng.normal(size=(3, 1)).astype(dtype), smallest)
    check(rng.normal(size=(3, places, 1)), rng.normal(size=(3, 1)).astype(dtype), smallest)


@pytest.mark.parametrize("places", [1, 9, 40, 150])
@smallest
@dtypes
def test_nan_in_a_row_is_its_extremum_and_has_no_gradient(target, dtype, smallest, places):
    for at in range(places):
        x = np.random.default_rng(at).normal(size=(2, places, 1)).astype(dtype)
        x[0, at] = np.nan
        y, dx = np.empty((2, 1), dtype), np.empty_like(x)
        _kernels.extremum_forward(x, smallest, y)
        assert np.isnan(y[0, 0]) and y[1, 0] == (np.min if smallest else np.max)(x[1])
        _kernels.extremum_backward(x, y, np.ones_like(y), dx)
        assert not dx[0].any() and dx[1].sum() == 1


@dtypes
def test_nan_and_infinity_in_columns(target, dtype):
    x = np.zeros((1, 4, 11), dtype)
    x[0, 0], x[0, 2, 3], x[0, 1:, 5] = -np.inf, np.nan, -np.inf
    x[0, 3, 3] = 9
    for sign, smallest in ((1, 0), (-1, 1)):
        y, dx = np.empty((1, 11), dtype), np.empty_like(x)
        _kernels.extremum_forward(sign * x, smallest, y)
        assert np.isnan(y[0, 3]) and np.isneginf(sign * y[0, 5]) and not np.delete(y, [3, 5], 1).any()
        _kernels.extremum_backward(sign * x, y, np.full_like(y, 12), dx)
        assert not dx[0, :, 3].any() and dx[0, :, 5].tolist() == [3, 3, 3, 3] and dx[0, :, 0].tolist() == [0, 4, 4, 4]


@dtypes
def test_rows_on_one_and_two_threads(target, threads, dtype):
    x = np.random.default_rng(3).integers(-9, 9, (900, 150, 1)).astype(dtype)
    found = []
    for count in (1, 2):
        _kernels.set_num_threads(count)
        y, dx = np.empty((900, 1), dtype), np.empty_like(x)
        _kernels.extremum_forward(x, 0, y)
        _kernels.extremum_backward(x, y, y, dx)
        found.append((y, dx))
    assert all(np.array_equal(one, two) for one, two in zip(*found))


def test_shapes_that_do_not_fit_are_refused(target):
    x, y = np.zeros((2, 4, 3), np.float32), np.zeros((2, 3), np.float32)
    for arguments in ((x[:1], y), (x[:, :0], y), (x[0], y), (x, y[:, :2].copy())):
        with pytest.raises(ValueError, match="extremum_forward: requires"):
            _kernels.extremum_forward(np.ascontiguousarray(arguments[0]), 0, arguments[1])
    for arguments in ((x, y, y[:1], x), (x, y, y, x[:, :3].copy()), (x, y[:1], y[:1], x)):
        with pytest.raises(ValueError, match="extremum_backward: requires"):
            _kernels.extremum_backward(*(a.copy() for a in arguments))
