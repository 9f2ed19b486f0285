"""Quotients that are rounded down and their remainders against NumPy: all widths, quotients next to whole numbers, signs of zeros, and what is refused."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

pairs = pytest.mark.parametrize("kernel, function", [(_kernels.modulo, np.mod), (_kernels.floor_divide, np.floor_divide)])
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
@pairs
def test_division(target, dtype, kind, kernel, function):
    for n in (*range(1, 68), 1000, 50_001):
        a, b = (surrounded(x, dtype, 1) for x in numbers(kind, n, dtype))
        y = Guarded(a.shape, dtype, 1)
        kernel(a, b, y.array)
        same(y.array, function(a, b))
        kernel(a, b[-1:], y.array)
        same(y.array, function(a, b[-1]))
        assert y.intact()


@dtypes
def test_quotients_of_many_digits(target, dtype):
    rng = np.random.default_rng(0)
    b = (rng.uniform(1, 2, 20_000) * rng.choice([-1, 1], 20_000)).astype(dtype)
    multiples = (b * rng.integers(1 << 21, 1 << 22, 20_000)).astype(dtype)
    for a in (multiples, np.nextafter(multiples, dtype(0)), np.nextafter(multiples, dtype(1e30)) * dtype(0.5)):
        for kernel, function in ((_kernels.modulo, np.mod), (_kernels.floor_divide, np.floor_divide)):
            y = np.empty_like(a)
            kernel(a, b, y)
            same(y, function(a, b))


@dtypes
@pairs
def test_signs_of_zeros(target, dtype, kernel, function):
    a, b = np.array([0.0, -0.0, 6.0, -6.0, 1.0, -1.0] * 2, dtype), np.array([3.0] * 6 + [-3.0] * 6, dtype)
    y = np.empty_like(a)
    kernel(a, b, y)
    same(y, function(a, b))


@dtypes
@pairs
@pytest.mark.parametrize(
    "a, b", [(np.nan, 1), (1, np.nan), (np.inf, 1), (1, np.inf), (1, 0), (0, 0), (2.0**22, 1), (1, 1e-30), (-np.inf, -1)]
)
def test_what_is_not_exact_is_refused(target, dtype, a, b, kernel, function):
    for n, place in ((1, 0), (20, 19), (40, 3)):
        x, divisors, y = np.ones(n, dtype), np.full(n, 0.75, dtype), np.empty(n, dtype)
        x[place], divisors[place] = a, b
        with pytest.raises(ValueError, match="requires finite numbers with quotients below"):
            kernel(x, divisors, y)


@dtypes
@pairs
@pytest.mark.parametrize("extreme", ["tiny", "huge"])
def test_extreme_numbers_are_exact_or_refused(target, dtype, extreme, kernel, function):
    rng = np.random.default_rng(0)
    limit = np.finfo(dtype)
    size = (
        limit.tiny * (2.0**29 if dtype is np.float32 else 2.0**63) if extreme == "tiny" else limit.max / 2
    )  # products may be infinite
    refused = 0
    for _ in range(300):
        a = (size * rng.uniform(-2, 2, 4)).astype(dtype)
        b = (a / rng.uniform(1.05, 4, 4)).astype(dtype) * rng.choice([-1, 1], 4).astype(dtype)
        y = np.empty_like(a)
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = function(a, b)
        try:
            kernel(a, b, y)
            same(y, wanted)
        except ValueError:
            refused += 1
    assert 0 < refused < 300


@pairs
def test_one_and_two_threads_give_the_same_bits(target, threads, kernel, function):
    a, b = numbers("any", 100_003, np.float32)
    results = []
    for count in (1, 2):
        _kernels.set_num_threads(count)
        results.append(np.empty_like(a))
        kernel(a, b, results[-1])
    np.testing.assert_array_equal(results[0], results[1])


@pairs
def test_sizes_that_do_not_fit(kernel, function):
    with pytest.raises(ValueError, match=kernel.__name__):
        kernel(np.ones(4), np.ones(2), np.empty(4))
