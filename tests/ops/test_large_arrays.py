"""Ops that compute large arrays by kernels give NumPy's results, and gradients of the right places."""

import functools

import numpy as np
import pytest

from lamella import ops
from lamella.ops.tape import Tape

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def drawn(*shape, dtype=np.float64):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(dtype)


def gradient(op, x):
    """The result, dy, and dx of random dy."""
    with Tape() as tape:
        y = op(tape.watch(x))
    dy = np.random.default_rng(7).normal(size=y.shape).astype(x.dtype)
    (dx,) = tape.gradients([(y, dy)])
    assert y.dtype == dx.dtype == x.dtype and dx.shape == x.shape
    return y.value, dy, dx


@pytest.mark.parametrize(
    "widths",
    [
        ((0, 0), (1, 2), (3, 0), (0, 0)), ((0, 0), (1, 1), (0, 0), (0, 0)), ((0, 0), (0, 0), (0, 2), (0, 0)),
        ((1, 0), (0, 0), (0, 0), (0, 0)), ((0, 0), (0, 0), (2, 1), (1, 3)), ((0, 0), (0, 0), (0, 0), (0, 1)),
        ((0, 0), (1, 0), (0, 0), (1, 1)), ((1, 0), (1, 0), (0, 1), (0, 0)), ((0, 0), (0, 0), (0, 0), (0, 0)),
    ],
)  # fmt: skip
@dtypes
def test_pad(widths, dtype):
    x = drawn(8, 20, 21, 33, dtype=dtype)
    for given in (x, x.transpose(0, 2, 1, 3)):
        y, dy, dx = gradient(lambda v: ops.pad(v, widths=widths), given)
        np.testing.assert_array_equal(y, np.pad(given, widths))
        inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, given.shape))
        np.testing.assert_array_equal(dx, dy[inner])


@pytest.mark.parametrize("axis", range(4))
@dtypes
def test_repeat(axis, dtype):
    x = drawn(8, 5, 21, 33, dtype=dtype)
    for given in (x, x.transpose(0, 2, 1, 3)):
        y, dy, dx = gradient(lambda v: ops.repeat(v, count=3, axis=axis), given)
        np.testing.assert_array_equal(y, np.repeat(given, 3, axis))
        split = dy.reshape(*given.shape[: axis + 1], 3, *given.shape[axis + 1 :])
        np.testing.assert_allclose(dx, split.sum(axis + 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (1, 3, 1), (1, 1, 2), (2, 3, 2)])
@dtypes
def test_gradient_of_tile(counts, dtype):
    x = drawn(9, 70, 80, dtype=dtype)
    y, dy, dx = gradient(lambda v: ops.tile(v, counts=counts), x)
    np.testing.assert_array_equal(y, np.tile(x, counts))
    split = dy.reshape([n for pair in zip(counts, x.shape) for n in pair])
    np.testing.assert_allclose(dx, split.sum((0, 2, 4)), rtol=1e-5, atol=1e-5)


@dtypes
def test_sign(dtype):
    x = np.round(drawn(90, 100, dtype=dtype))
    x[0, :4] = np.nan, np.inf, -np.inf, -0.0
    y, _, dx = gradient(ops.sign, x)
    np.testing.assert_array_equal(y, np.sign(x))
    assert not dx.any()


@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 1), (1, 2), (0, 2), -1])
@dtypes
def test_extrema_and_logsumexp(axis, dtype):
    x = np.round(drawn(20, 30, 40, dtype=dtype) * 3)
    exact = x.astype(float)
    for name in ("max", "min"):
        y, dy, dx = gradient(functools.partial(getattr(ops, name), axis=axis, keepdims=True), x)
        best = getattr(np, name)(x, axis=axis, keepdims=True)
        np.testing.assert_array_equal(y, best)
        winners = x == best
        np.testing.assert_allclose(dx, np.where(winners, dy / winners.sum(axis=axis, keepdims=True), 0), rtol=1e-5)
    y, dy, dx = gradient(lambda v: ops.logsumexp(v, axis=axis), x)
    shares = np.exp(exact) / np.exp(exact).sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(y, np.log(np.exp(exact).sum(axis=axis)), rtol=1e-5)
    slope = dy if axis is None else np.expand_dims(dy, axis)
    np.testing.assert_allclose(dx, shares * slope, rtol=1e-4, atol=1e-7)


@dtypes
def test_products_so_far_with_zeros(dtype):
    x = np.random.default_rng(3).uniform(0.5, 1.5, (30, 40, 5)).astype(dtype)
    x[::3, 7] = 0
    x[::6, 9] = 0
    y, dy, dx = gradient(lambda v: ops.cumprod(v, axis=1), x)
    np.testing.assert_allclose(y, np.cumprod(x, 1), rtol=1e-4)
    exact, slope = x.astype(float), dy.astype(float)
    wanted = np.zeros(x.shape)
    for i in range(40):
        without = exact.copy()
        without[:, i] = 1
        wanted[:, i] = (np.cumprod(without, 1) * slope)[:, i:].sum(1)
    np.testing.assert_allclose(dx, wanted, rtol=1e-3, atol=1e-3 if dtype == np.float32 else 1e-9)
