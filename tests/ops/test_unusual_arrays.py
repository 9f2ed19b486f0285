"""Arrays that kernels do not read, because of their axes, their alignment or their byte order, get NumPy's results."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, ops
from lamella.ops.tape import Tape, value_of

MANY_AXES = np.arange(2.0**15, dtype=np.float32).reshape([2] * 15)


def unaligned(kind, shape):
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    x = np.zeros(size + 1, np.uint8)[1:].view(kind).reshape(shape)
    x[...] = np.arange(x.size).reshape(shape) % 101
    return x


UNALIGNED = unaligned(np.float32, (200, 200))
SWAPPED = (np.arange(40_000) % 101).astype(">f4").reshape(200, 200)


@pytest.mark.parametrize("x", [MANY_AXES, UNALIGNED, SWAPPED, unaligned(np.float64, (200, 200))], ids=["axes", "f", ">f", "d"])
def test_joins_sums_and_arithmetic(x):
    exact = x.astype(float)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(K.concatenate([x, x], axis=axis), np.concatenate([exact, exact], axis=axis))
        np.testing.assert_array_equal(K.stack([x, x], axis=axis), np.stack([exact, exact], axis=axis))
        np.testing.assert_array_equal(K.sum(x, axis=axis), exact.sum(axis=axis))
        np.testing.assert_allclose(K.mean(x, axis=axis), exact.mean(axis=axis), rtol=1e-6)
    assert K.sum(x) == exact.sum() and K.mean(x) == pytest.approx(exact.mean())
    np.testing.assert_array_equal(ops.add(x, x), 2 * exact)
    np.testing.assert_array_equal(ops.multiply(x, x[0]), (x * x[0]).astype(float))
    np.testing.assert_array_equal(ops.subtract(x[0], x), exact[0] - exact)
    aligned = np.ones(x.shape, x.dtype)
    np.testing.assert_array_equal(ops.add(aligned, x), 1 + exact)
    np.testing.assert_array_equal(K.concatenate([aligned, x]), np.concatenate([aligned, exact], axis=-1))


@pytest.mark.parametrize("x", [MANY_AXES, UNALIGNED, SWAPPED, unaligned(np.float64, (200, 200))], ids=["axes", "f", ">f", "d"])
def test_functions_of_elements(x):
    exact, zero = x.astype(float), np.zeros((), x.dtype)
    np.testing.assert_array_equal(ops.abs(value_of(ops.negative(x))), exact)
    np.testing.assert_allclose(ops.sqrt(x), np.sqrt(exact), rtol=1e-7)
    np.testing.assert_allclose(ops.square(x), exact**2, rtol=1e-7)
    np.testing.assert_allclose(ops.power(x, np.asarray(3, x.dtype)), exact**3, rtol=2e-7)
    np.testing.assert_array_equal(ops.clip(x, low=2.0, high=50.0), exact.clip(2, 50))
    np.testing.assert_array_equal(ops.maximum(x, np.asarray(7, x.dtype)), np.maximum(exact, 7))
    np.testing.assert_array_equal(ops.where(x, zero, condition=x > 9), np.where(exact > 9, exact, 0))


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8])
def test_functions_of_elements_of_other_dtypes(dtype):
    x = np.tile(np.arange(16), 4096).astype(dtype)
    for name, function in {"abs": np.abs, "square": np.square, "negative": np.negative}.items():
        y = value_of(getattr(ops, name)(x))
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, function(x))
    assert value_of(ops.clip(x, low=2, high=5)).dtype == dtype
    np.testing.assert_array_equal(ops.maximum(x, np.asarray(7, dtype)), np.maximum(x, 7))
    np.testing.assert_array_equal(ops.where(x, np.zeros((), dtype), condition=x > 9), np.where(x > 9, x, 0))


def test_variables_layers_and_gradients_of_many_axes():
    np.testing.assert_array_equal(value_of(K.variable(MANY_AXES) * 2.0), 2 * MANY_AXES)
    np.testing.assert_array_equal(value_of(layers.Add().call([MANY_AXES, MANY_AXES])), 2 * MANY_AXES)
    factor = np.full([2] * 13, 3, np.float32)
    with Tape() as tape:
        a, b = tape.watch(MANY_AXES), tape.watch(factor)
        y = ops.multiply(a, b)
    da, db = tape.gradients([(y, np.ones_like(MANY_AXES))])
    np.testing.assert_array_equal(da, np.full([2] * 15, 3))
    np.testing.assert_array_equal(db, MANY_AXES.sum(axis=(0, 1)))


@pytest.mark.parametrize("shape", [(-1, 8), (8, -1), (3,), 3])
def test_reshape_refuses_other_numbers_of_elements(shape):
    for x in (np.ones((2, 2), np.float32), np.ones((2, 2), np.float32).T):
        with pytest.raises(ValueError, match="cannot reshape array of size 4"):
            ops.reshape(x, shape=shape)


def test_reshape_to_a_number_is_to_one_axis():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for number in (6, -1, np.int64(6)):
        np.testing.assert_array_equal(ops.reshape(x.T, shape=number), [0, 3, 1, 4, 2, 5])
        np.testing.assert_array_equal(ops.reshape(x, shape=number), range(6))
