"""|x|, roots, bounds, small powers and `where` against NumPy: all widths and odd starts."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded

ABSOLUTE, ROOT, CLIP, POWER = range(4)
SIZES = [*range(68), 16_383, 40_001]
HALVES = range(-16, 17)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def forward(x, function, p=0.0, q=0.0):
    y = Guarded(x.shape, x.dtype, 3)
    _kernels.elementary_forward(x, function, p, q, y.array)
    assert y.intact()
    return y.array


def backward(x, dy, function, p=0.0, q=0.0):
    dx = Guarded(x.shape, x.dtype, 5)
    _kernels.elementary_backward(x, dy, function, p, q, dx.array)
    assert dx.intact()
    return dx.array


@dtypes
@pytest.mark.parametrize("n", SIZES)
def test_absolute_values_roots_and_bounds(target, dtype, n):
    normal = np.random.default_rng(n).standard_normal
    x, dy = surrounded(normal(n), dtype, 1), surrounded(normal(n), dtype, 2)
    x[::3] = np.round(x[::3] * 2) / 2  # zeros, and numbers at the bounds
    np.testing.assert_array_equal(forward(x, ABSOLUTE), np.abs(x))
    np.testing.assert_array_equal(backward(x, dy, ABSOLUTE), dy * np.sign(x))
    np.testing.assert_array_equal(forward(x, ROOT), np.sqrt(np.maximum(x, 0)))
    safe = np.where(x > 0, x, 1)
    np.testing.assert_array_equal(backward(x, dy, ROOT), np.where(x > 0, dy / (2 * np.sqrt(safe)), 0))
    np.testing.assert_array_equal(forward(x, CLIP, -0.5, 1.0), np.clip(x, -0.5, 1.0))
    np.testing.assert_array_equal(backward(x, dy, CLIP, -0.5, 1.0), np.where((x >= -0.5) & (x <= 1), dy, 0))


@dtypes
@pytest.mark.parametrize("halves", HALVES)
def test_powers(target, dtype, halves):
    p, (rng, n) = halves / 2, (np.random.default_rng(halves + 20), 1003)
    x = surrounded(rng.uniform(0.2, 3, n) * (rng.choice([-1, 1], n) if halves % 2 == 0 else 1), dtype, 1)
    dy = surrounded(rng.standard_normal(n), dtype, 2)
    exact, of_y = x.astype(np.float64), dy.astype(np.float64)
    close(forward(x, POWER, p), exact**p, 6)
    close(backward(x, dy, POWER, p), of_y * p * exact ** (p - 1), 8)


def test_special_values(target):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0])
    one, zero, nan, inf = np.ones(6), np.zeros(6), np.nan, np.inf
    assert np.array_equal(forward(x, ABSOLUTE), [nan, inf, inf, 0, 0, 1], equal_nan=True)
    assert np.array_equal(backward(x, one, ABSOLUTE), [nan, 1, -1, 0, 0, -1], equal_nan=True)
    assert np.array_equal(forward(x, ROOT), [nan, inf, 0, 0, 0, 0], equal_nan=True)
    assert np.array_equal(backward(x, one, ROOT), zero)
    assert np.array_equal(forward(x, CLIP, -0.5, 0.5), [nan, 0.5, -0.5, 0, 0, -0.5], equal_nan=True)
    assert np.array_equal(forward(x, CLIP, -inf, 0.5), [nan, 0.5, -inf, 0, 0, -1], equal_nan=True)
    assert np.array_equal(backward(x, one, CLIP, -inf, 0.5), [0, 0, 1, 1, 1, 1])
    assert np.array_equal(forward(x, POWER, 0.0), one)
    assert np.array_equal(backward(x, one, POWER, 0.0), zero)
    assert np.array_equal(forward(x, POWER, 3.0), [nan, inf, -inf, 0, 0, -1], equal_nan=True)
    assert np.array_equal(forward(x, POWER, -2.0), [nan, 0, 0, inf, inf, 1], equal_nan=True)
    assert np.array_equal(backward(x, one, POWER, 0.5), [nan, 0, 0, inf, inf, nan], equal_nan=True)
    with np.errstate(all="ignore"):
        for halves in HALVES:
            got, wanted = forward(x, POWER, halves / 2), np.power(x, np.full(6, halves / 2))
            np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(np.signbit(got[1:-1]), np.signbit(wanted[1:-1]))
    assert forward(np.array([2e-5], np.float32), POWER, -8.0) == pytest.approx(2e-5**-8, rel=1e-6)  # its reciprocal is denormal
    assert np.array_equal(backward(x, one, POWER, 1.0), one)
    assert np.array_equal(backward(x, one, POWER, 2.0), 2 * x, equal_nan=True)


@dtypes
@pytest.mark.parametrize("n", SIZES)
def test_where(target, dtype, n):
    rng = np.random.default_rng(n)
    a, b = surrounded(rng.standard_normal(n), dtype, 1), surrounded(rng.standard_normal(n), dtype, 2)
    condition = rng.integers(0, 2, n).astype(np.uint8)
    for v in (a, np.array([3.0], dtype)):
        for w in (b, np.array([np.nan], dtype)):
            y = Guarded(a.shape, dtype, 3)
            _kernels.where(condition, v, w, y.array)
            np.testing.assert_array_equal(y.array, np.where(condition, v, w))
            assert y.intact()


def test_bad_arguments():
    x, y = np.ones(3), np.ones(3)
    for function, p, condition in [
        (4, 0.0, "function"),
        (-1, 0.0, "function"),
        (3, 8.5, "small"),
        (3, 0.3, "small"),
        (3, np.nan, "small"),
    ]:
        with pytest.raises(ValueError, match=condition):
            _kernels.elementary_forward(x, function, p, 0.0, y)
        with pytest.raises(ValueError, match=condition):
            _kernels.elementary_backward(x, x, function, p, 0.0, y)
    with pytest.raises(ValueError, match="condition"):
        _kernels.where(np.ones(2, np.uint8), x, x, y)
    with pytest.raises(ValueError, match="a.size == 1"):
        _kernels.where(np.ones(3, np.uint8), np.ones(2), x, y)
