"""Adafactor on vectors, matrices and stacks of matrices of different sizes, against the formula for each array."""

import functools

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close
from tests.oracles import optimizers as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Whole matrices in a piece, pieces of one matrix, rows longer than a piece, and the numbers of columns around vectors.
SHAPES = [(), *((n,) for n in (0, 1, 5, 33, 16_384, 16_385, 40_001)), *((3, n) for n in range(1, 36)), (5, 1), (700, 3, 3)]
SHAPES += [(129, 65), (20, 2_000), (2, 20_001), (3, 130, 140), (2, 3, 40, 50), (20_001, 2), (0, 4), (4, 0), (1, 1, 1)]
PLAIN = ([], 1.0, 0.0, 0.0, 0.0)


def row_shape(shape):
    return (*shape[:-1], 1) if len(shape) > 1 else shape


def column_shape(shape):
    return (*shape[:-2], 1, shape[-1]) if len(shape) > 1 else (0,)


@functools.cache
def draw(seed, dtype):
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]
    for a in arrays:
        a.flags.writeable = False
    return arrays


@pytest.mark.parametrize("summed, bounds", [(False, (1.0, 0.0, 0.0, 0.0)), (True, (0.5, 300.0, 60.0, 0.4))])
@pytest.mark.parametrize(
    "numbers", [(0.01, 1.0, 1e-7, 1e-3, 1.0), (0.1, 0.95, 0.3, 2.0, 1.5)], ids=["as in the paper", "bounds of eps"]
)
@dtypes
def test_three_steps(target, dtype, numbers, summed, bounds):
    rate, kept, *others = numbers
    guards = [
        [Guarded(of(shape), dtype, i % 4) for i, shape in enumerate(SHAPES)] for of in (lambda s: s, row_shape, column_shape)
    ]
    ps, rows, columns = ([guarded.array for guarded in one] for one in guards)
    for p, start in zip(ps, draw(0, dtype), strict=True):
        p[...] = start
    for a in rows + columns:
        a[...] = 0
    wide = [[a.astype(np.float64) for a in arrays] for arrays in (ps, rows, columns)]
    for step in range(1, 4):
        gs, sums, take = draw(step, dtype), draw(10 + step, dtype) if summed else [], step**-0.8
        _kernels.adafactor_update(ps, gs, rows, columns, rate, kept, take, *others, (sums, *bounds))
        exact = [[a.astype(np.float64) for a in arrays] for arrays in (gs, sums)]
        for i, g in enumerate(oracle.read(*exact, *bounds)):
            wide[0][i] = np.asarray(oracle.adafactor(wide[0][i], g, wide[1][i], wide[2][i], rate, kept, take, *others))
    for arrays, wanted in zip((ps, rows, columns), wide, strict=True):
        for a, w in zip(arrays, wanted, strict=True):
            close(a, w, 40)
    assert all(guarded.intact() for one in guards for guarded in one)


@dtypes
def test_results_do_not_depend_on_threads(target, dtype, threads):
    results = []
    for number in (1, 2):
        _kernels.set_num_threads(number)
        ps = [p.copy() for p in draw(0, dtype)]
        rows, columns = ([np.zeros(of(shape), dtype) for shape in SHAPES] for of in (row_shape, column_shape))
        for step in (1, 2):
            bounds = draw(5, dtype), 1.0, 100.0, 50.0, 0.7
            _kernels.adafactor_update(ps, draw(step, dtype), rows, columns, 0.1, 0.9, 1 / step, 1e-7, 1e-3, 1.0, bounds)
        results.append([a.tobytes() for a in ps + rows + columns])
    assert results[0] == results[1]


@pytest.mark.parametrize("eps1", [1e-7, 1e-30])
def test_zero_and_subnormal_gradients_give_finite_steps(target, eps1):
    for shape in ((40,), (5, 8)):
        p, row, column = np.ones(shape, "f4"), np.zeros(row_shape(shape), "f4"), np.zeros(column_shape(shape), "f4")
        for size in (0.0, 1e-42, 1e-20, 0.0):
            g = np.full(shape, size, "f4")
            g[0] = 0
            _kernels.adafactor_update([p], [g], [row], [column], 0.1, 1.0, 0.5, eps1, 1e-3, 1.0, PLAIN)
        assert np.isfinite(p).all() and np.isfinite(row).all() and np.isfinite(column).all()
        assert (p[0] == 1).all()


def test_a_nan_reaches_what_its_factors_reach(target):
    p, row, column = np.ones((4, 5)), np.zeros((4, 1)), np.zeros((1, 5))
    g = np.ones((4, 5))
    g[1, 2] = np.nan
    _kernels.adafactor_update([p], [g], [row], [column], 0.1, 1.0, 0.5, 1e-7, 1e-3, 1.0, PLAIN)
    assert np.isnan(row[:, 0]).tolist() == [False, True, False, False] and np.isnan(column[0, 2])
    assert np.isnan(p).all()  # by the mean of the rows


def test_factors_of_other_shapes_are_refused():
    def call(row, column, gs=None):
        p = np.ones((4, 5))
        _kernels.adafactor_update([p], gs or [p.copy()], [row], [column], 0.1, 1.0, 0.5, 1e-7, 1e-3, 1.0, PLAIN)

    for row, column in (((4, 5), (1, 5)), ((4, 1), (4, 5)), ((4, 1), (5,)), ((4,), (1, 5)), ((1, 4), (5, 1))):
        with pytest.raises(ValueError, match="fit_factors"):
            call(np.zeros(row), np.zeros(column))
    with pytest.raises(ValueError, match="same_shapes"):
        call(np.zeros((4, 1)), np.zeros((1, 5)), [np.ones((5, 4))])
