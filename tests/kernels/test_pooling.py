"""Pooling against a loop over windows: odd shapes; windows that overlap, touch, have gaps, or extend over the edge."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import pool as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# x, rows and columns of y, window, stride, padding before
CASES = [
    ((2, 8, 9, 5), (4, 4), (2, 2), (2, 2), (0, 0)),
    ((1, 7, 7, 17), (4, 4), (3, 3), (2, 2), (1, 1)),
    ((2, 6, 5, 3), (4, 4), (3, 2), (1, 1), (0, 0)),
    ((1, 9, 10, 1), (3, 4), (2, 1), (3, 3), (0, 0)),
    ((1, 5, 5, 33), (3, 3), (2, 2), (2, 2), (0, 0)),
    ((1, 5, 4, 8), (3, 2), (2, 2), (2, 2), (1, 0)),
    ((2, 4, 6, 16), (1, 1), (4, 6), (4, 6), (0, 0)),
    ((1, 3, 3, 2), (3, 3), (3, 3), (1, 1), (1, 1)),
    ((1, 16, 16, 1), (1, 1), (16, 16), (1, 1), (0, 0)),
    ((1, 2, 2, 67), (2, 2), (1, 1), (1, 1), (0, 0)),
    ((1, 1, 1, 4), (1, 1), (3, 3), (2, 2), (1, 1)),
    ((0, 4, 4, 3), (2, 2), (2, 2), (2, 2), (0, 0)),
    ((2, 9, 5), (4,), (2,), (2,), (0,)),
    ((1, 10, 17), (5,), (3,), (2,), (1,)),
    ((2, 7, 3), (3,), (2,), (3,), (1,)),
    ((2, 4, 6, 5, 5), (2, 3, 2), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
    ((1, 5, 4, 6, 17), (3, 4, 3), (3, 2, 3), (2, 1, 2), (1, 0, 1)),
    ((1, 7, 5, 5, 3), (2, 2, 2), (2, 2, 2), (3, 3, 2), (0, 1, 0)),
    ((1, 2, 2, 2, 9), (2, 2, 2), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
]


def at(case):
    _, _, size, strides, before = case
    return size, strides, (1,) * len(size), before


def draws(case, dtype):
    x_shape, places, *_ = case
    y_shape = (x_shape[0], *places, x_shape[-1])
    rng = np.random.default_rng(len(case[0]) + x_shape[1])
    # Small integers have many equal maxima, of which the first must be chosen.
    return rng.integers(-3, 3, x_shape).astype(np.float64), rng.normal(size=y_shape).astype(dtype), y_shape


def max_pooled(case, dtype, values, dy, relu):
    """y, argmax and dx of the kernels, which write nothing else."""
    y, argmax, dx = Guarded(dy.shape, dtype, 1), Guarded(dy.shape, np.uint8, 3), Guarded(values.shape, dtype, 2)
    _kernels.max_pool_forward(surrounded(values, dtype, 1), at(case), relu, y.array, argmax.array)
    _kernels.max_pool_backward(surrounded(dy, dtype), argmax.array, at(case), dx.array)
    assert y.intact() and argmax.intact() and dx.intact()
    return y.array, argmax.array, dx.array


@pytest.mark.parametrize("case", CASES)
@dtypes
def test_max_pool(target, dtype, case):
    values, dy, y_shape = draws(case, dtype)
    y, argmax, dx = max_pooled(case, dtype, values, dy, False)
    wanted, places, back = oracle.max_pool(values, y_shape, *case[2:])
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(argmax, places)
    close(dx, back(dy), 8)


@pytest.mark.parametrize("case", [case for case in CASES if np.prod(case[2]) < 256])
@dtypes
def test_max_pool_of_a_relu(target, dtype, case):
    values, dy, y_shape = draws(case, dtype)
    y, argmax, dx = max_pooled(case, dtype, values, dy, True)
    wanted, _, back = oracle.max_pool(np.maximum(values, 0), y_shape, *case[2:])
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(argmax == 255, wanted == 0)
    close(dx, np.where(values > 0, back(dy), 0), 8)


@pytest.mark.parametrize("case", CASES)
@dtypes
def test_avg_pool(target, dtype, case):
    values, dy, y_shape = draws(case, dtype)
    _, _, size, strides, before = case
    y, dx = Guarded(y_shape, dtype, 1), Guarded(values.shape, dtype, 2)
    _kernels.avg_pool_forward(surrounded(values, dtype, 1), at(case), y.array)
    wanted, back = oracle.avg_pool(values, y_shape, size, strides, before)
    close(y.array, wanted, 8)
    _kernels.avg_pool_backward(surrounded(dy, dtype), at(case), dx.array)
    close(dx.array, back(dy), 8)
    assert y.intact() and dx.intact()


def test_an_average_window_may_be_larger_than_a_byte_counts(target):
    x = np.random.default_rng(0).normal(size=(1, 20, 20, 3))
    y, dx = np.empty((1, 1, 1, 3)), np.empty_like(x)
    window = ((20, 20), (20, 20), (1, 1), (0, 0))
    _kernels.avg_pool_forward(x, window, y)
    _kernels.avg_pool_backward(y, window, dx)
    close(y[0, 0, 0], x.mean(axis=(0, 1, 2)), 16)
    close(dx, np.broadcast_to(y / 400, x.shape), 16)


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 17, 33, 64, 65])
@dtypes
def test_global_pools(target, dtype, channels):
    rng = np.random.default_rng(channels)
    for images, places in ((1, 1), (2, 5), (3, 49), (2, 300)):
        values = rng.integers(-9, 9, (images, places, channels))
        x, dy = surrounded(values, dtype, 1), surrounded(rng.normal(size=(images, channels)), dtype)
        y, argmax, dx = Guarded(dy.shape, dtype, 1), Guarded(dy.shape, np.int64, 1), Guarded(x.shape, dtype, 2)
        _kernels.global_avg_pool_forward(x, y.array)
        close(y.array, x.mean(axis=1, dtype=np.float64), 16)
        _kernels.global_avg_pool_backward(dy, dx.array)
        close(dx.array, np.broadcast_to(dy[:, None] / places, x.shape), 4)
        _kernels.global_max_pool_forward(x, y.array, argmax.array)
        np.testing.assert_array_equal(y.array, x.max(axis=1))
        np.testing.assert_array_equal(argmax.array, x.argmax(axis=1))
        _kernels.global_max_pool_backward(dy, argmax.array, dx.array)
        np.testing.assert_array_equal(
            dx.array, np.where(np.arange(places)[:, None] == x.argmax(axis=1)[:, None], dy[:, None], 0)
        )
        assert y.intact() and argmax.intact() and dx.intact()


@dtypes
def test_nan_is_the_maximum_and_minus_infinity_may_be(target, dtype):
    x = np.zeros((1, 4, 4, 9), dtype)
    x[0, 1, 0], x[0, 2:, 2:] = np.nan, -np.inf
    y, argmax = np.empty((1, 2, 2, 9), dtype), np.empty((1, 2, 2, 9), np.uint8)
    _kernels.max_pool_forward(x, TOUCHING, False, y, argmax)
    assert np.isnan(y[0, 0, 0]).all() and (argmax[0, 0, 0] == 2).all()
    assert np.isneginf(y[0, 1, 1]).all() and (argmax[0, 1, 1] == 0).all()
    _kernels.max_pool_forward(x, TOUCHING, True, y, argmax)
    assert np.isnan(y[0, 0, 0]).all() and (y[0, 1, 1] == 0).all() and (argmax == 255).all()
    top, place = np.empty((1, 9), dtype), np.empty((1, 9), np.int64)
    _kernels.global_max_pool_forward(x.reshape(1, 16, 9), top, place)
    assert np.isnan(top).all() and (place == 4).all()


TOUCHING = ((2, 2), (2, 2), (1, 1), (0, 0))
HOSTILE = [  # kh, kw, sh, sw, pt, pl
    (0, 2, 2, 2, 0, 0), (2, 2, 0, 2, 0, 0), (2, 2, 2, -1, 0, 0), (2, 2, 2, 2, -1, 0), (2, 2, 2, 2, 2, 0), (2, 2, 2, 2, 0, 5),
    (2, 2, 9, 2, 0, 0), (2, 2, 2, 2**40, 0, 0), (2**40, 2, 2, 2, 0, 0), (2, 2, 2, 2, 2**62, 0), (2, 2, 2**62, 2**62, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("geometry", HOSTILE)
def test_impossible_geometry_is_refused(target, geometry):
    x, y, argmax = np.ones((1, 4, 4, 3)), np.full((1, 2, 2, 3), 7.0), np.zeros((1, 2, 2, 3), np.uint8)
    geometry = geometry[:2], geometry[2:4], (1, 1), geometry[4:]
    for call in (
        lambda: _kernels.max_pool_forward(x, geometry, False, y, argmax),
        lambda: _kernels.avg_pool_forward(x, geometry, y),
        lambda: _kernels.max_pool_backward(y, argmax, geometry, x),
        lambda: _kernels.avg_pool_backward(y, geometry, x),
    ):
        with pytest.raises(ValueError, match="axes_fit"):
            call()
    assert (x == 1).all() and (y == 7).all()


def test_a_window_with_gaps_or_other_axes_is_refused(target):
    x, y = np.ones((1, 4, 4, 3)), np.ones((1, 2, 2, 3))
    for window in (((2, 2), (2, 2), (1, 2), (0, 0)), ((2,), (2,), (1,), (0,))):
        with pytest.raises(ValueError, match="pooling_fits"):
            _kernels.avg_pool_forward(x, window, y)


def test_a_maximum_window_of_more_than_256_places_is_refused(target):
    x, y, argmax = np.ones((1, 17, 17, 1)), np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1), np.uint8)
    with pytest.raises(ValueError, match="few_places"):
        _kernels.max_pool_forward(x, ((17, 17), (1, 1), (1, 1), (0, 0)), False, y, argmax)
    with pytest.raises(ValueError, match="kNoPlace"):
        _kernels.max_pool_forward(
            x, ((16, 16), (1, 1), (1, 1), (0, 0)), True, np.ones((1, 2, 2, 1)), np.zeros((1, 2, 2, 1), np.uint8)
        )


def test_any_argmax_is_safe(target):
    dy, argmax, dx = np.ones((1, 2, 2, 3)), np.full((1, 2, 2, 3), 255, np.uint8), np.ones((1, 4, 4, 3))
    _kernels.max_pool_backward(dy, argmax, TOUCHING, dx)
    assert not dx.any()
    for place in (-1, 16):
        with pytest.raises(ValueError, match="all_within"):
            _kernels.global_max_pool_backward(np.ones((1, 3)), np.full((1, 3), place), dx.reshape(1, 16, 3))
