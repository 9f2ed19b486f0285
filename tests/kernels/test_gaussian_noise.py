"""Gaussian noise against the transform of Box and Muller in float64, and its distribution."""

import math

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded
from tests.oracles import gaussian_noise as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@dtypes
@pytest.mark.parametrize("multiplied", [0, 1])
def test_every_length(target, dtype, multiplied):
    stddev, seed, offset = 0.7, 2**62 + 12345, 2**33 + 7
    noise = stddev * oracle.standard_normal(20_000, dtype, seed, offset)
    draw = np.random.default_rng(0).normal(size=20_000)
    for n in [*range(140), 16_383, 16_385, 20_000]:
        x, y = surrounded(draw[:n], dtype, n % 3), Guarded(n, dtype, n % 5)
        _kernels.gaussian_noise(x, stddev, multiplied, seed, offset, y.array)
        wanted = x.astype(np.float64)
        wanted = wanted * (1 + noise[:n]) if multiplied else wanted + noise[:n]
        # Near a multiple of pi / 2 the angle's rounding, to a part of pi, is the error, whatever the size of the sine.
        np.testing.assert_allclose(y.array, wanted, rtol=0, atol=16 * np.finfo(dtype).eps)
        assert y.intact()


@dtypes
def test_the_numbers_are_normal(target, dtype):
    n = 1 << 20
    y = np.zeros(n, dtype)
    _kernels.gaussian_noise(y, 1.0, 0, 5, 6, y)
    y = y.astype(np.float64)
    # Each bound is five standard deviations of the estimate.
    assert abs(y.mean()) < 5 / n**0.5
    assert abs((y**2).mean() - 1) < 5 * (2 / n) ** 0.5
    assert abs((y**3).mean()) < 5 * (15 / n) ** 0.5
    assert abs((y**4).mean() - 3) < 5 * (96 / n) ** 0.5
    assert abs((y[:-1] * y[1:]).mean()) < 5 / n**0.5
    assert 4.5 < np.abs(y).max() < 7
    # Kolmogorov and Smirnov: the greatest distance of the distributions, at the significance 1e-6.
    at = np.linspace(-4, 4, 81)
    share = np.searchsorted(np.sort(y), at) / n
    wanted = [0.5 * math.erfc(-a / 2**0.5) for a in at]
    assert np.abs(share - wanted).max() < (0.5 * np.log(2e6) / n) ** 0.5


def test_the_largest_and_the_smallest_fractions(target):
    """Of float32 the least fraction is 2^-32, so that no number is infinite, and the largest is 1, which gives 0."""
    assert oracle.fraction(np.array([0, 2**31, 2**32 - 1], np.uint32)).tolist() == [2.0**-32, 2.0**-32, 1.0]
    y = np.zeros(1 << 22, np.float32)
    _kernels.gaussian_noise(y, 1.0, 0, 1, 0, y)
    assert np.isfinite(y).all()


@dtypes
def test_the_noise_depends_on_the_key_alone(target, dtype):
    x, y = np.zeros(3000, dtype), np.zeros(3000, dtype)
    _kernels.gaussian_noise(x, 1.0, 0, 1, 2, y)
    for seed, offset in ((2, 2), (1, 3)):
        other = np.zeros(3000, dtype)
        _kernels.gaussian_noise(x, 1.0, 0, seed, offset, other)
        assert abs(np.corrcoef(y, other)[0, 1]) < 5 / 3000**0.5
    again = np.zeros(1000, dtype)
    _kernels.gaussian_noise(x[:1000], 1.0, 0, 1, 2, again)
    np.testing.assert_array_equal(again, y[:1000])


def test_bad_arguments():
    with pytest.raises(ValueError, match="same_shape"):
        _kernels.gaussian_noise(np.ones(3), 1.0, 0, 1, 2, np.ones(4))
    with pytest.raises(ValueError, match="multiplied"):
        _kernels.gaussian_noise(np.ones(3), 1.0, 2, 1, 2, np.ones(3))
