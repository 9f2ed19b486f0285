"""dense_forward and dense_backward against the oracle."""

import numpy as np
import pytest

from lamella import _kernels
from tests.oracles import dense as oracle

# Rests of the 6-row tile and of panels of up to 64 columns, depths of more than one block, an empty sum, several groups of rows.
SIZES = [(m, k, n) for m in (1, 5, 6, 7, 13) for k in (1, 3, 17) for n in (1, 2, 15, 16, 17, 31, 33, 63, 64, 65)]
SIZES += [(5, 0, 4), (2, 1100, 3), (300, 64, 130), (50, 600, 70), (32, 30, 64), (1, 784, 10), (49, 33, 129)]
# A dw that is narrower than a tile is stored transposed: depths of more than one block, odd widths of x, several groups of columns.
SIZES += [(128, 512, 10), (129, 515, 9), (600, 67, 5), (7, 131, 63), (33, 1030, 1), (40, 18, 17)]
# One to four columns: sums of vectors of terms, whole ones and parts, in groups of 6 and of 48 rows.
SIZES += [(m, k, n) for m in (1, 6, 49, 200) for k in (31, 64, 130) for n in (1, 2, 3, 4, 5)]
# Factors that are packed once for several groups, with incomplete panels and tiles; then those that are too large for that.
SIZES += [(300, 513, 257), (505, 300, 600), (260, 1310, 1650), (1650, 1310, 40)]
# Rounding errors of a sum of order 1 grow with the square root of the number of terms.
EPSILON = {np.float32: 2e-6, np.float64: 4e-15}


def close(got, wanted, terms, dtype):
    np.testing.assert_allclose(got, wanted, rtol=0, atol=EPSILON[dtype] * 4 * max(1, terms) ** 0.5)


def arrays(m, k, n, dtype, seed=0):
    draw = np.random.default_rng(seed).standard_normal
    return tuple(draw(shape).astype(dtype) for shape in ((m, k), (k, n), (n,), (m, n)))


def run(x, w, bias, dy, relu):
    y, dx, dw, dbias = np.full_like(dy, np.nan), np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(bias, np.nan)
    _kernels.dense_forward(x, w, bias, relu, y)
    none = dy[:0, 0]
    _kernels.dense_backward(x, w, *((y, dy, np.full_like(dy, np.nan)) if relu else (none, dy, none)), dx, dw, dbias)
    return y, dx, dw, dbias


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_size_against_the_oracle(target, dtype):
    for m, k, n in SIZES:
        x, w, bias, dy = arrays(m, k, n, dtype)
        for b, relu in ((bias, 1), (bias[:0], 0)):
            y, dx, dw, dbias = run(x, w, b, dy, relu)
            close(y, oracle.forward(x, w, b, relu), k + 1, dtype)
            wanted_dx, wanted_dw, wanted_dbias = oracle.backward(x, w, np.where(y > 0, dy, 0) if relu else dy)
            close(dx, wanted_dx, n, dtype)
            close(dw, wanted_dw, m, dtype)
            close(dbias, wanted_dbias if b.size else b, m, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(300, 513, 257), (128, 784, 512), (301, 2049, 9), (513, 1030, 1)])
def test_one_and_two_threads_give_the_same_bits(target, threads, dtype, size):
    inputs = arrays(*size, dtype)
    results = []
    for count in (1, 2, 3):
        _kernels.set_num_threads(count)
        results.append(run(*inputs, 1))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relu", [0, 1])
def test_each_gradient_has_the_same_bits_alone(target, dtype, relu):
    x, w, bias, dy = arrays(33, 17, 31, dtype)
    y, *together = run(x, w, bias, dy, relu)
    none = bias[:0]
    for at, wanted in enumerate(together):
        asked = [none, none, none]
        asked[at] = np.full_like(wanted, np.nan)
        _kernels.dense_backward(x, w, *((y, dy, np.empty_like(dy)) if relu else (none, dy, none)), *asked)
        np.testing.assert_array_equal(asked[at], wanted)


@pytest.mark.parametrize("relu", [0, 1])
def test_no_rows_and_no_columns_give_zeros(target, relu):
    for size in ((0, 3, 4), (5, 0, 4)):
        _, dx, dw, dbias = run(*arrays(*size, np.float32), relu)
        assert not dx.size and not dw.any()
        if size[0] == 0:
            assert not dbias.any()


def test_nan_and_infinity_are_propagated(target):
    x, w, bias, _ = arrays(7, 20, 18, np.float32)
    x[3, 4], x[5, 6] = np.nan, np.inf
    y = np.empty((7, 18), np.float32)
    _kernels.dense_forward(x, w, bias, 0, y)
    assert np.isnan(y[3]).all() and np.isinf(y[5]).all() and np.isfinite(np.delete(y, [3, 5], axis=0)).all()


def test_shapes_that_do_not_fit_are_refused(target):
    x, w, bias, dy = arrays(4, 3, 5, np.float32)
    with pytest.raises(ValueError, match=r"dense_forward: requires x.shape\[1\] == w.shape\[0\]"):
        _kernels.dense_forward(x, w[:2], bias, 0, dy)
    with pytest.raises(ValueError, match="bias.size"):
        _kernels.dense_forward(x, w, bias[:4], 0, dy)
    none = bias[:0]
    for at, wrong in enumerate((x[:, :2], w[:2], dy[:3], dy[:3], dy[:3], x[:3], w[:2], bias[:4])):
        arguments = [x, w, dy, dy, dy.copy(), x.copy(), w.copy(), bias.copy()]
        arguments[at] = wrong.copy()
        with pytest.raises(ValueError, match="dense_backward: requires "):
            _kernels.dense_backward(*arguments)
    with pytest.raises(ValueError, match=r"same_shape\(y, dz\)"):
        _kernels.dense_backward(x, w, dy, dy, none, none, none, none)
