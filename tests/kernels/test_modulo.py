"""Remainders against NumPy: all widths, quotients next to whole numbers, signs of zeros, and what is refused."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def numbers(kind, n, dtype):
    rng = np.random.default_rng(n)
    b = (rng.uniform(0.5, 5, n) * rng.choice([-1, 1], n) * 10.0 ** rng.integers(-1, 2, n)).astype(dtype)
    if kind == "whole":
        return np.round(rng.standard_normal(n) * 50).astype(dtype), np.where(np.round(b) == 0, b, np.round(b))
    multiples = (b * rng.integers(-300, 300, n)).astype(dtype)
    multiples[multiples == 0] = 1
    if kind == "above":
        return np.nextafter(multiples, dtype(np.inf)), b
    if kind == "below":
        return np.nextafter(multiples, dtype(-np.inf)), b
    return (multiples, b) if kind == "multiples" else ((rng.standard_normal(n) * 100).astype(dtype), b)


def same(y, wanted):
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(np.signbit(y), np.signbit(wanted))


@pytest.mark.parametrize("kind", ["any", "whole", "multiples", "above", "below"])
@dtypes
def test_modulo(target, dtype, kind):
    for n in (*range(1, 68), 1000, 50_001):
        a, b = (surrounded(x, dtype, 1) for x in numbers(kind, n, dtype))
        y = Guarded(a.shape, dtype, 1)
        _kernels.modulo(a, b, y.array)
        same(y.array, np.mod(a, b))
        _kernels.modulo(a, b[-1:], y.array)
        same(y.array, np.mod(a, b[-1]))
        assert y.intact()


@dtypes
def test_zeros_have_the_sign_of_the_divisor(target, dtype):
    a, b = np.array([0.0, -0.0, 6.0, -6.0] * 2, dtype), np.array([3.0] * 4 + [-3.0] * 4, dtype)
    y = np.empty_like(a)
    _kernels.modulo(a, b, y)
    same(y, np.mod(a, b))


@dtypes
@pytest.mark.parametrize(
    "a, b", [(np.nan, 1), (1, np.nan), (np.inf, 1), (1, np.inf), (1, 0), (0, 0), (2.0**22, 1), (1, 1e-30), (-np.inf, -1)]
)
def test_what_is_not_exact_is_refused(target, dtype, a, b):
    for n, place in ((1, 0), (20, 19), (40, 3)):
        x, divisors, y = np.ones(n, dtype), np.full(n, 0.75, dtype), np.empty(n, dtype)
        x[place], divisors[place] = a, b
        with pytest.raises(ValueError, match="modulo: requires finite numbers with quotients below"):
            _kernels.modulo(x, divisors, y)


def test_one_and_two_threads_give_the_same_bits(target, threads):
    a, b = numbers("any", 100_003, np.float32)
    results = []
    for count in (1, 2):
        _kernels.set_num_threads(count)
        results.append(np.empty_like(a))
        _kernels.modulo(a, b, results[-1])
    np.testing.assert_array_equal(results[0], results[1])


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="modulo"):
        _kernels.modulo(np.ones(4), np.ones(2), np.empty(4))
