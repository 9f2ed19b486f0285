"""Batch normalization against its definition: few and many channels, values far from 0."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import batch_norm as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(r, c) for r in (2, 3, 16, 37, 700) for c in (1, 2, 3, 5, 8, 15, 16, 17, 33, 63, 64, 65, 130)] + [
    (30_000, 3),
    (900, 64),
]
EPS = 1e-3


@pytest.mark.parametrize("shape", SHAPES)
@dtypes
def test_forward_backward_and_inference(target, dtype, shape):
    rng = np.random.default_rng(shape[0] + shape[1])
    x = surrounded(rng.normal(loc=0.5, size=shape), dtype, 1)
    dy = surrounded(rng.normal(size=shape), dtype, 2)
    gamma, beta = surrounded(rng.normal(size=shape[1]), dtype, 1), surrounded(rng.normal(size=shape[1]), dtype)
    y, mean, variance = Guarded(shape, dtype, 3), Guarded(shape[1], dtype, 1), Guarded(shape[1], dtype)
    dx, dgamma, dbeta = Guarded(shape, dtype, 1), Guarded(shape[1], dtype), Guarded(shape[1], dtype, 1)
    wide = x.astype(np.float64)
    _kernels.batch_norm_forward(x, gamma, beta, EPS, y.array, mean.array, variance.array)
    wanted, wanted_mean, wanted_variance = oracle.forward(wide, gamma, beta, EPS)
    close(mean.array, wanted_mean, 8 + shape[0] ** 0.5)
    close(variance.array, wanted_variance, 16 + shape[0] ** 0.5)
    # Two nearly equal rows have a variance near EPS, so the rounding error of x - mean is multiplied by thirty.
    loose = 30 if shape[0] < 4 else 1
    close(y.array, wanted, (32 + shape[0] ** 0.5) * loose)
    _kernels.batch_norm_backward(x, dy, gamma, mean.array, variance.array, EPS, dx.array, dgamma.array, dbeta.array)
    for got, exact in zip((dx, dgamma, dbeta), oracle.backward(wide, dy.astype(np.float64), gamma, EPS), strict=True):
        close(got.array, exact, 64 * loose * max(1, shape[0] / 1000))
    _kernels.batch_norm_inference(x, gamma, beta, beta, np.abs(gamma), EPS, dx.array)
    close(dx.array, oracle.inference(wide, gamma, beta, beta, np.abs(gamma), EPS), 16)
    assert all(g.intact() for g in (y, mean, variance, dx, dgamma, dbeta))


@pytest.mark.parametrize("top", [np.inf, 0.5, 0.0])
@dtypes
def test_the_fused_relu_has_the_bits_of_two_kernels(target, dtype, top):
    """Also with NaN and without gamma and beta, for few columns, whole vectors of columns, and a rest."""
    for rows, columns in ((1, 3), (37, 5), (40, 16), (700, 33), (300, 130)):
        rng = np.random.default_rng(columns)
        x, dy = rng.normal(size=(2, rows, columns)).astype(dtype)
        x[0, 1] = np.nan
        for gamma, beta in (rng.normal(size=(2, columns)).astype(dtype), (x[0, :0], x[0, :0])):
            apart = y, z, mean, variance, dz, dx, dgamma, dbeta = (
                *np.empty((2, rows, columns), dtype),
                *(np.empty((n, columns) if n else columns, dtype) for n in (0, 0, rows, rows, 0, 0)),
            )
            _kernels.batch_norm_forward(x, gamma, beta, EPS, y, mean, variance)
            _kernels.relu_forward(y, 0.0, top, 0.0, z)
            _kernels.relu_backward(y, dy, 0.0, top, 0.0, dz)
            _kernels.batch_norm_backward(x, dz, gamma, mean, variance, EPS, dx, dgamma, dbeta)
            joined = [np.empty_like(a) for a in apart]
            got_y, got_mean, got_variance, *gradients = (joined[i] for i in (1, 2, 3, 5, 6, 7))
            _kernels.batch_norm_relu_forward(x, gamma, beta, EPS, top, got_y, got_mean, got_variance)
            _kernels.batch_norm_relu_backward(x, dy, gamma, beta, mean, variance, EPS, top, *gradients)
            for got, wanted in zip((got_y, got_mean, got_variance, *gradients), (z, mean, variance, dx, dgamma, dbeta)):
                np.testing.assert_array_equal(got, wanted)
            variance = np.abs(dy[0])  # given statistics
            _kernels.batch_norm_inference(x, gamma, beta, dy[0], variance, EPS, y)
            _kernels.relu_forward(y, 0.0, top, 0.0, z)
            _kernels.batch_norm_relu_inference(x, gamma, beta, dy[0], variance, EPS, top, got_y)
            np.testing.assert_array_equal(got_y, z)


@dtypes
def test_absent_gamma_and_beta_are_one_and_zero(target, dtype):
    x = np.random.default_rng(0).normal(size=(20, 7)).astype(dtype)
    one, zero, absent = np.ones(7, dtype), np.zeros(7, dtype), np.empty(0, dtype)
    results = []
    for gamma, beta in ((one, zero), (absent, absent)):
        y, mean, variance, dx, dgamma, dbeta = (
            np.empty_like(x),
            *np.empty((2, 7), dtype),
            np.empty_like(x),
            *np.empty((2, 7), dtype),
        )
        _kernels.batch_norm_forward(x, gamma, beta, EPS, y, mean, variance)
        _kernels.batch_norm_backward(x, x, gamma, mean, variance, EPS, dx, dgamma, dbeta)
        results.append(b"".join(a.tobytes() for a in (y, dx, dgamma, dbeta)))
    assert results[0] == results[1]


@pytest.mark.parametrize("rows", [50, 20_000])
def test_variance_far_from_zero(target, rows):
    x = (np.random.default_rng(0).normal(size=(rows, 5)) + 1000).astype(np.float32)
    y, mean, variance = np.empty_like(x), *np.empty((2, 5), np.float32)
    _kernels.batch_norm_forward(x, x[0, :0], x[0, :0], EPS, y, mean, variance)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=np.float64), rtol=2e-7)


def test_one_row_and_constant_columns_are_finite(target):
    for x in (np.full((1, 3), 5.0), np.full((100, 3), 0.1)):
        y, mean, variance, dx, dgamma, dbeta = np.empty_like(x), *np.empty((2, 3)), np.empty_like(x), *np.empty((2, 3))
        _kernels.batch_norm_forward(x, x[0, :0], x[0, :0], EPS, y, mean, variance)
        np.testing.assert_allclose(variance, 0, atol=1e-30)
        np.testing.assert_allclose(y, 0, atol=1e-13)
        _kernels.batch_norm_backward(x, x, x[0, :0], mean, variance, EPS, dx, dgamma, dbeta)
        assert np.isfinite(dx).all()


def test_nan_stays_in_its_channel(target):
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    x[7, 2] = np.nan
    y, mean, variance = np.empty_like(x), *np.empty((2, 5), np.float32)
    _kernels.batch_norm_forward(x, x[0, :0], x[0, :0], EPS, y, mean, variance)
    for a in (y[0], mean, variance):
        np.testing.assert_array_equal(np.isnan(a), [False, False, True, False, False])


def test_no_rows_give_zero_statistics_and_wrong_sizes_are_refused(target):
    x, c = np.empty((0, 3)), np.full(3, 7.0)
    _kernels.batch_norm_forward(x, c, c, EPS, x, *(stats := np.full((2, 3), 7.0)))
    assert not stats.any()
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"gamma\.size"):
        _kernels.batch_norm_forward(x, c[:2], c, EPS, x.copy(), c.copy(), c.copy())
    with pytest.raises(ValueError, match=r"mean\.size"):
        _kernels.batch_norm_inference(x, c, c, c[:1], c, EPS, x.copy())
