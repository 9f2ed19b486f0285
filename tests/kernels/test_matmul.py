"""matmul, in each order of its factors, against the definition."""

import itertools

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.test_dense import close

# Batch, M, K, N. Rests of the 6-row tile and of panels of up to 64 columns, empty sums, products of vectors, of a vector and a matrix.
SIZES = [(3, m, k, n) for m in (1, 5, 6, 7, 13) for k in (0, 1, 3, 17) for n in (1, 2, 8, 15, 17, 33, 65)]
SIZES += [(2, *((1, k, 3) if k % 2 else (3, k, 1))) for k in range(2, 131)] + [(3, 1, 40, 1)]
# Nothing at all; many small products, of which a chunk computes several; products that are divided themselves; deep sums.
SIZES += [(0, 3, 4, 5), (4, 0, 3, 2), (4, 3, 2, 0), (700, 4, 8, 4), (5000, 1, 40, 1), (3, 150, 129, 131), (2, 40, 1100, 24)]
# Columns of a that are read in place, or just not: by rows, depth, lines of a in few sets of L1, and ends of vectors.
SIZES += [(2, m, k, n) for m in (7, 128, 260) for k in (64, 65, 129, 257) for n in (16, 48, 64)]
ORDERS = list(itertools.product((0, 1), repeat=2))


def factors(batch, m, k, n, dtype, transposed_a, transposed_b):
    draw = np.random.default_rng(batch + m + k + n).standard_normal
    a = draw((batch, k, m) if transposed_a else (batch, m, k)).astype(dtype)
    b = draw((batch, n, k) if transposed_b else (batch, k, n)).astype(dtype)
    return a, b, np.full((batch, m, n), np.nan, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ORDERS)
def test_every_size_against_the_definition(target, dtype, order):
    for size in SIZES:
        a, b, y = factors(*size, dtype, *order)
        _kernels.matmul(a, b, *order, y)
        left, right = (x.swapaxes(1, 2) if transposed else x for x, transposed in zip((a, b), order))
        close(y, np.einsum("bmk,bkn->bmn", left.astype(np.float64), right.astype(np.float64)), size[2], dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "size", [(700, 9, 8, 7), (5000, 1, 40, 1), (700, 1, 30, 9), (3, 250, 129, 131), (1, 300, 64, 300), (40, 96, 60, 64)]
)
@pytest.mark.parametrize("order", ORDERS)
def test_one_and_two_threads_give_the_same_bits(target, threads, dtype, size, order):
    a, b, y = factors(*size, dtype, *order)
    results = []
    for count in (1, 2, 3):
        _kernels.set_num_threads(count)
        _kernels.matmul(a, b, *order, y)
        results.append(y.copy())
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_each_product_has_the_bits_of_the_dense_layer(target):
    for size in ((5, 7, 20, 18), (2, 128, 300, 64), (3, 1, 33, 17)):  # of one vector only with b as it is
        a, b, y = factors(*size, np.float32, 0, 0)
        _kernels.matmul(a, b, 0, 0, y)
        for one, other, got in zip(a, b, y):
            wanted = np.empty_like(got)
            _kernels.dense_forward(one, other, np.empty(0, np.float32), 0, wanted)
            np.testing.assert_array_equal(got, wanted)


def test_nan_and_infinity_stay_in_their_product(target):
    for m, n in ((3, 4), (1, 1)):
        a, b, y = factors(5, m, 20, n, np.float32, 0, 0)
        a[1, 0, 3], b[3, 2, 0] = np.nan, np.inf
        _kernels.matmul(a, b, 0, 0, y)
        assert np.isnan(y[1, 0]).all() and np.isinf(y[3, :, 0]).all() and np.isfinite(y[[0, 2, 4]]).all()


def test_shapes_that_do_not_fit_are_refused(target):
    a, b, y = (np.zeros(shape, np.float32) for shape in ((2, 3, 4), (2, 4, 5), (2, 3, 5)))
    for arguments in (
        (a[:1], b, 0, 0, y), (a, b[:1], 0, 0, y), (a, b, 0, 0, y[:1]), (a, b, 1, 0, y), (a, b, 0, 1, y), (a[:, :2], b, 0, 0, y),
        (a, b[:, :, :4], 0, 0, y), (a[0], b, 0, 0, y), (a, b[0], 0, 0, y), (a, b, 0, 0, y[0]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="matmul: requires "):
            _kernels.matmul(*(np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x for x in arguments))
    assert not y.any()
