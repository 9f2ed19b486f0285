"""Sums against those in float64."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(r, c) for r in (0, 1, 2, 5, 40, 700) for c in (1, 2, 3, 5, 8, 13, 16, 17, 33, 63, 64, 65, 130)] + [
    (3, 40_000),
    (70_000, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
@dtypes
def test_rows_and_columns(target, dtype, shape):
    x = surrounded(np.random.default_rng(0).normal(size=shape), dtype, 1)
    rows, columns = Guarded(shape[0], dtype, 3), Guarded(shape[1], dtype, 1)
    _kernels.sum_rows(x, rows.array)
    _kernels.sum_columns(x, columns.array)
    close(rows.array, x.sum(axis=1, dtype=np.float64), 4 * (1 + shape[1]) ** 0.5)
    close(columns.array, x.sum(axis=0, dtype=np.float64), 4 * (1 + shape[0]) ** 0.5)
    assert rows.intact() and columns.intact()


@pytest.mark.parametrize("n", [0, 1, 2, 7, 300])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (49, 64), (30, 33), (0, 4), (4, 0), (3, 20_000)])
@dtypes
def test_columns_of_several_matrices(target, dtype, n, shape):
    x = surrounded(np.random.default_rng(0).normal(size=(n, *shape)), dtype, 1)
    y = Guarded((n, shape[1]), dtype, 1)
    _kernels.sum_columns(x, y.array)
    close(y.array, x.sum(axis=1, dtype=np.float64), 4 * (1 + shape[0]) ** 0.5)
    assert y.intact()
    if n > 1:
        whole = Guarded(shape[1], dtype, 1)
        _kernels.sum_columns(x, whole.array)
        close(whole.array, x.sum(axis=(0, 1), dtype=np.float64), 4 * (1 + n * shape[0]) ** 0.5)


def test_long_rows_stay_accurate(target, threads):
    """One sum over 4 million elements would be wrong in the fourth digit. Chunks also use all threads, for one row, too."""
    x = np.full((2, 2**22 + 5), 0.1, np.float32)
    sums = [np.empty(2, np.float32) for _ in range(2)]
    for count, y in enumerate(sums, 1):
        _kernels.set_num_threads(count)
        _kernels.sum_rows(x, y)
    np.testing.assert_allclose(sums[0], x.sum(axis=1, dtype=np.float64), rtol=1e-5)
    assert np.array_equal(*sums)


@pytest.mark.parametrize("columns", [1, 3, 40, 64, 100, 1100])
def test_long_columns_stay_accurate(target, threads, columns):
    rows = 2_000_003 if columns < 50 else 5_001
    x = np.full((rows, columns), 0.1, np.float32)
    sums = np.empty((2, columns), np.float32)
    for count, y in enumerate(sums, 1):
        _kernels.set_num_threads(count)
        _kernels.sum_columns(x, y)
    np.testing.assert_allclose(sums[0], x.sum(axis=0, dtype=np.float64), rtol=2e-5)
    assert np.array_equal(*sums)


@pytest.mark.parametrize("columns, places", [(3, 1 << 19), (64, 1 << 16), (100, 40_000)])
def test_averages_of_many_places_stay_accurate(target, columns, places):
    x, y = np.full((1, places, columns), 0.1, np.float32), np.empty((1, columns), np.float32)
    _kernels.global_avg_pool_forward(x, y)
    np.testing.assert_allclose(y, np.float32(0.1), rtol=2e-5)


@dtypes
def test_columns_of_every_number_of_pieces(target, dtype):
    """Columns of up to 1,024 rows of vectors are summed in one piece."""
    rng = np.random.default_rng(0)
    for columns, rows in ((64, [1023, 1024, 1025, 2048, 3073]), (33, [16_384, 16_385, 40_000]), (2, [70_000])):
        for n in rows:
            x, y = surrounded(rng.normal(size=(1, n, columns)), dtype, 1), Guarded((1, columns), dtype, 1)
            _kernels.global_avg_pool_forward(x, y.array)
            np.testing.assert_allclose(y.array, x.mean(axis=1, dtype=np.float64), rtol=0, atol=2e-5 * n**-0.5)
            assert y.intact()


TOTALS = {"sum_all": lambda x: x.sum(), "sum_squares": lambda x: (x * x).sum(), "sum_absolute": lambda x: np.abs(x).sum()}


@pytest.mark.parametrize("name", TOTALS)
@dtypes
def test_totals_of_every_length(target, dtype, name):
    draw = np.random.default_rng(1).normal(size=100_000) + 0.5
    for n in [*range(140), 16_383, 16_384, 16_385, 100_000]:
        x, y = surrounded(draw[:n], dtype, n % 3), Guarded((), dtype)
        getattr(_kernels, name)(x, y.array)
        close(y.array, TOTALS[name](x.astype(np.float64)), 16)
        assert y.intact()


def test_wrong_sizes_are_refused(target):
    x = np.ones((4, 3), np.float32)
    for name, size in (("sum_rows", 3), ("sum_columns", 4), ("sum_all", 2), ("sum_squares", 0)):
        with pytest.raises(ValueError, match=": requires "):
            getattr(_kernels, name)(x, np.empty(size, np.float32))
    with pytest.raises(ValueError, match="y.size == x.shape.0. . columns"):
        _kernels.sum_columns(np.ones((2, 4, 3), np.float32), np.empty(5, np.float32))
