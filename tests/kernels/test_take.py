"""Taking and putting rows against NumPy: all widths, tables with one row, rows that are taken often or never, indices out of range."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Rows and columns of the table, number of indices.
SIZES = [*((7, columns, 12) for columns in range(1, 70, 3)), (1, 5, 9), (300, 128, 1000), (5, 3, 1), (4, 2, 0), (3, 0, 4)]


def draws(size, dtype):
    table, columns, taken = size
    rng = np.random.default_rng(table + columns)
    # Multiples of 1/8, so that sums are exact in any order.
    x, dy = (rng.integers(-64, 64, (n, columns)).astype(dtype) / 8 for n in (table, taken))
    return x, dy, (rng.integers(0, table, taken) ** 2) % table


@pytest.mark.parametrize("size", SIZES, ids=str)
@dtypes
def test_take(target, dtype, size):
    x, dy, rows = draws(size, dtype)
    y, dx = Guarded(dy.shape, dtype, 1), Guarded(x.shape, dtype, 2)
    _kernels.take_forward(surrounded(x, dtype, 1), rows, y.array)
    np.testing.assert_array_equal(y.array, x[rows])
    _kernels.take_backward(surrounded(dy, dtype), rows, dx.array)
    wanted = np.zeros_like(x)
    np.add.at(wanted, rows, dy)
    np.testing.assert_array_equal(dx.array, wanted)
    assert y.intact() and dx.intact()


@pytest.mark.parametrize("size", SIZES, ids=str)
@dtypes
def test_put(target, dtype, size):
    x, dy, rows = draws(size, dtype)
    rows = np.unique(rows)
    y, narrow = dy[: len(rows)], np.arange(len(rows), dtype=dtype)[:, np.newaxis]
    tables = [Guarded(x.shape, dtype, 2), Guarded((len(x), 1), dtype)]
    befores = x, np.full((len(x), 1), -1, dtype)
    for table, before in zip(tables, befores):
        table.array[...] = before
    _kernels.put_rows([surrounded(y, dtype, 1), narrow], rows, [table.array for table in tables])
    for table, before, new in zip(tables, befores, (y, narrow)):
        before[rows] = new
        np.testing.assert_array_equal(table.array, before)
        assert table.intact()


@pytest.mark.parametrize("rows", [[1, 1], [2, 0], [0, 3], [-1, 0]])
def test_put_refuses_rows_that_do_not_ascend(rows):
    table = np.zeros((3, 2))
    with pytest.raises(ValueError, match="ascend" if max(rows) < 3 and min(rows) >= 0 else "all_within"):
        _kernels.put_rows([np.ones((2, 2))], np.array(rows), [table])
    assert not table.any()


def test_put_refuses_tables_that_do_not_fit():
    rows, table = np.array([0, 2]), np.zeros((3, 2))
    for ys, tables, message in (
        ([np.ones((2, 2))], [table, np.zeros((3, 2))], "ys.count == tables.count"),
        ([np.ones((2, 2)), np.ones((2, 3))], [table, np.zeros((3, 2))], "rows_fit"),
        ([np.ones((2, 2)), np.ones((2, 2))], [table, np.zeros((2, 2))], "all_within"),
        ([np.ones(4)], [table], "rows_fit"),
    ):
        with pytest.raises(ValueError, match=message):
            _kernels.put_rows(ys, rows, tables)
        assert not table.any()


@pytest.mark.parametrize("columns", [500, 512, 513, 1100])  # around the size up to which rows are prefetched
def test_wide_rows(target, columns):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(40, columns)).astype("float32")
    rows = rng.permutation(40)[:23]
    y = np.empty((23, columns), "float32")
    _kernels.take_forward(x, rows, y)
    np.testing.assert_array_equal(y, x[rows])
    table = np.zeros_like(x)
    _kernels.put_rows([y[np.argsort(rows)]], np.sort(rows), [table])
    x[np.setdiff1d(np.arange(40), rows)] = 0
    np.testing.assert_array_equal(table, x)


@dtypes
def test_rows_are_summed_in_the_order_of_their_indices(dtype):
    big = dtype(2) ** (24 if dtype is np.float32 else 53)
    dy = np.array([[1], [big], [1], [-big]], dtype)
    dx = np.empty((2, 1), dtype)
    _kernels.take_backward(dy, np.array([1, 1, 1, 1]), dx)
    assert dx.tolist() == [[0], [float(((dy[0, 0] + dy[1, 0]) + dy[2, 0]) + dy[3, 0])]]


@dtypes
def test_many_places_of_one_row(target, dtype):
    """As padding has: up to 1,024 rows are summed one by one, and then these sums."""
    rng = np.random.default_rng(0)
    for columns, counts in ((3, [1023, 1024, 1025]), (37, [2048, 2049, 5000])):
        for count in counts:
            rows = rng.permutation(np.repeat([2, 0], [count, 50]))
            dy = rng.integers(-64, 64, (len(rows), columns)).astype(dtype) / 8  # their sums are exact
            dx = Guarded((4, columns), dtype, 1)
            _kernels.take_backward(surrounded(dy, dtype, 1), rows, dx.array)
            np.testing.assert_array_equal(dx.array[[0, 2]], [dy[rows == row].sum(axis=0) for row in (0, 2)])
            assert dx.intact() and not dx.array[[1, 3]].any()
    dy, dx = np.full((320_000, 5), 0.1, dtype), np.empty((2, 5), dtype)
    _kernels.take_backward(dy, np.ones(320_000, np.int64), dx)
    np.testing.assert_allclose(dx[1], 320_000 * float(dtype(0.1)), rtol=2e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_indices_outside_are_refused(wrong):
    rows, x, y = np.array([0, wrong]), np.ones((3, 2)), np.zeros((2, 2))
    for call, out in ((lambda: _kernels.take_forward(x, rows, y), y), (lambda: _kernels.take_backward(y, rows, x), x)):
        before = out.copy()
        with pytest.raises(ValueError, match="all_within"):
            call()
        np.testing.assert_array_equal(out, before)


def test_shapes_that_do_not_fit():
    x, rows = np.ones((3, 2)), np.array([0, 1])
    for y in (np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(4)):
        with pytest.raises(ValueError, match="rows_fit"):
            _kernels.take_forward(x, rows, y)
