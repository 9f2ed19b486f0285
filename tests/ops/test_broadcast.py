"""Arithmetic and sums of large arrays, which kernels compute, are those of NumPy."""

import numpy as np
import pytest

from lamella import ops
from lamella.ops.tape import Tape, value_of

# (x, other): other is broadcast along the first axes, the last ones, all, none, or in a way that only NumPy computes.
SHAPES = [
    ((40, 30, 50), (50,)),
    ((40, 30, 50), (30, 50)),
    ((40, 30, 50), (1, 1, 50)),
    ((40, 30, 50), (40, 30, 1)),
    ((40, 30, 50), (40, 1, 1)),
    ((40, 30, 50), ()),
    ((40, 30, 50), (1, 1)),
    ((40, 30, 50), (1, 1, 1, 1)),
    ((40, 30, 50), (40, 30, 50)),
    ((40, 30, 50), (40, 1, 50)),
    ((40, 30, 50), (30, 1)),
    ((40, 5, 10, 30), (40, 1, 1, 30)),
    ((40, 5, 10, 30), (5, 10, 1)),
    ((40, 5, 10, 30), (40, 1, 10, 1)),
    ((10, 5, 20, 8, 6), (10, 1, 1, 8, 1)),
    ((10, 5, 20, 8, 6), (1, 8, 1)),
    ((10, 5, 20, 8, 6), (5, 1, 8, 1)),
    ((10, 5, 6, 8, 20), (1, 5, 1, 8, 1)),
    ((50_000, 1), (1, 2)),
    ((300, 1), (1, 300)),
    ((50_000,), (2, 1)),
    ((50_000, 1), (50_000, 1)),
    # Both are small, what they are broadcast to is not.
    ((40, 30, 1), (1, 50)),
    ((40, 1, 50), (30, 1)),
    ((40, 1, 50), (1, 30, 50)),
    ((1, 30, 50), (40, 1, 1)),
    ((40, 1, 20, 3), (1, 30, 1, 3)),
    ((40, 1, 20, 3), (30, 1, 1)),
    ((10, 1, 6, 1, 20), (1, 5, 1, 8, 1)),
]


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_and_its_gradients(name, swapped, dtype):
    numpys = {"divide": np.true_divide}.get(name) or getattr(np, name)
    for shapes in SHAPES:
        rng = np.random.default_rng(len(shapes[1]))
        a, b = (rng.uniform(0.5, 2, shape).astype(dtype) for shape in (shapes[::-1] if swapped else shapes))
        for order in (lambda x: x, lambda x: x.T.copy().T):
            with Tape() as tape:
                y = getattr(ops, name)(tape.watch(order(a)), tape.watch(order(b)))
            wanted = numpys(a, b)
            assert y.dtype == dtype
            np.testing.assert_array_equal(y.value, wanted)
            dy = rng.standard_normal(wanted.shape).astype(dtype)
            slopes = {
                "add": lambda: (dy, dy),
                "subtract": lambda: (dy, -dy),
                "multiply": lambda: (dy * b, dy * a),
                "divide": lambda: (dy / b, -dy * a / b / b),
                "maximum": lambda: (dy * (a >= b), dy * (a < b)),
                "minimum": lambda: (dy * (a <= b), dy * (a > b)),
            }[name]()
            for found, slope, x in zip(tape.gradients([(y, dy)]), slopes, (a, b), strict=True):
                exact = slope.astype(float)
                gone = exact.ndim - x.ndim
                axes = tuple(i for i in range(exact.ndim) if i < gone or (x.shape[i - gone] == 1 and exact.shape[i] != 1))
                total = exact.sum(axis=axes, keepdims=True).reshape(x.shape)
                assert found.shape == x.shape and found.dtype == dtype
                size = np.abs(exact).sum(axis=axes, keepdims=True).reshape(x.shape)
                np.testing.assert_array_less(np.abs(found - total), 1e-5 * size + 1e-9)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_and_its_gradients(shapes, dtype):
    rng = np.random.default_rng(5)
    for a_shape, b_shape in (shapes, shapes[::-1], ((), shapes[0])):
        whole = np.broadcast_shapes(a_shape, b_shape)
        a, b, dy = (rng.standard_normal(shape).astype(dtype) for shape in (a_shape, b_shape, whole))
        for of_condition in (whole, whole[:1] + (1,) * (len(whole) - 1)):
            condition = rng.integers(0, 2, of_condition).astype(bool)
            with Tape() as tape:
                y = ops.where(tape.watch(a), tape.watch(b), condition=condition)
            assert y.dtype == dtype
            np.testing.assert_array_equal(y.value, np.where(condition, a, b))
            parts = np.where(condition, dy, 0), np.where(condition, 0, dy)
            for found, part, x in zip(tape.gradients([(y, dy)]), parts, (a, b), strict=True):
                gone = part.ndim - x.ndim
                axes = tuple(i for i in range(part.ndim) if i < gone or (x.shape[i - gone] == 1 and part.shape[i] != 1))
                total = part.astype(float).sum(axis=axes).reshape(x.shape)
                assert found.shape == x.shape and found.dtype == dtype
                np.testing.assert_allclose(found, total, rtol=1e-5, atol=2e-3 if axes else 0)


def test_where_of_one_number_with_more_axes_has_these_axes():
    a, condition = np.ones(40_000, np.float32), np.arange(40_000) % 2 == 0
    y = value_of(ops.where(a, np.zeros((1, 1), np.float32), condition=condition))
    np.testing.assert_array_equal(y, condition[None].astype(np.float32))


POWERS = [2, 3, -1, 0, 1, 0.5, -0.5, 2.5, 8, -8, 9, 0.3, np.float32(1.5), np.array(3)]


@pytest.mark.parametrize("p", POWERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_and_their_gradients(p, dtype):
    rng = np.random.default_rng(6)
    for shape in ((5,), (), (300, 70, 2)):
        a, dy = rng.uniform(0.3, 2, shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
        for x in (a, a.T.copy().T):
            with Tape() as tape:
                y = ops.power(tape.watch(x), tape.watch(np.asarray(p, dtype)))
            exact, slope = a.astype(float), dy.astype(float)
            eps = 30 * np.finfo(dtype).eps
            assert y.dtype == dtype
            np.testing.assert_allclose(y.value, exact ** float(p), rtol=eps)
            to_a, to_p = tape.gradients([(y, dy)])
            np.testing.assert_allclose(to_a, slope * float(p) * exact ** (float(p) - 1), rtol=eps)
            terms = slope * exact ** float(p) * np.log(exact)
            np.testing.assert_allclose(
                to_p, terms.sum(), rtol=0, atol=1e3 * eps * np.abs(terms).sum() / max(1, terms.size) ** 0.5
            )
    assert float(value_of(ops.power(np.float32(-2), np.float32(3)))) == -8


def test_powers_of_integers_and_of_many_numbers_are_those_of_numpy():
    whole = np.arange(1, 7)
    assert value_of(ops.power(whole, np.array(2))).tolist() == [1, 4, 9, 16, 25, 36]
    half = np.array([1, 2, 3], np.float16)
    assert value_of(ops.power(half, np.array(2.0))).tolist() == [1, 4, 9]
    base, exponent = np.array([[1.0], [2.0]]), np.array([0.0, 1.0, 2.0])
    assert value_of(ops.power(base, exponent)).tolist() == [[1, 1, 1], [1, 2, 4]]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 1), (1, 2), (2, 1), [-1], (0, 2), (0, 1, 2), None])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_and_means_along_axes(axis, keepdims, dtype):
    x = np.random.default_rng(0).standard_normal((40, 30, 50)).astype(dtype)
    for name in ("sum", "mean"):
        y = value_of(getattr(ops, name)(x, axis=axis, keepdims=keepdims))
        wanted = getattr(np, name)(x.astype(float), axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)
        assert y.dtype == dtype and y.shape == wanted.shape
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-3 if name == "sum" else 1e-6)


def test_axes_that_do_not_exist_are_refused():
    for axis in (3, -4, (0, 3)):
        with pytest.raises(np.exceptions.AxisError):
            ops.sum(np.ones((40, 30, 50)), axis=axis)
    with pytest.raises(ValueError, match="duplicate"):
        ops.sum(np.ones((40, 30, 50)), axis=(0, 0))


@pytest.mark.parametrize("kind", ["slice", "whole", "transposed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_an_array_that_is_read_twice_are_added(kind, dtype):
    """One of the gradients is a slice, or transposed, and the other is not."""
    rng = np.random.default_rng(3)
    x, other = rng.standard_normal((9, 7, 11)).astype(dtype), rng.standard_normal((9, 7, 5)).astype(dtype)
    for first in (True, False):
        with Tape() as tape:
            source = tape.watch(x)
            shared = ops.tanh(source)
            reads = [
                lambda: ops.tanh(shared),
                lambda: {
                    "slice": lambda: ops.concatenate(other, shared, axis=2),
                    "whole": lambda: ops.multiply(shared, 3),
                    "transposed": lambda: ops.transpose(shared, axes=(2, 0, 1)),
                }[kind](),
            ]
            found = [read() for read in (reads if first else reads[::-1])]
        plain, moved = found if first else found[::-1]
        dplain = rng.standard_normal(plain.shape).astype(dtype)
        dmoved = rng.standard_normal(moved.shape).astype(dtype)
        (dx,) = tape.gradients([(plain, dplain), (moved, dmoved)])
        kept = dplain.copy(), dmoved.copy()
        back = {"slice": lambda d: d[..., 5:], "whole": lambda d: 3 * d, "transposed": lambda d: d.transpose(1, 2, 0)}[kind]
        y = np.tanh(x.astype(float))
        wanted = (1 - y * y) * (dplain * (1 - np.tanh(y) ** 2) + back(dmoved))
        np.testing.assert_allclose(dx, wanted, rtol=0, atol=1e-5 if dtype is np.float32 else 1e-13)
        for given, before in zip((dplain, dmoved), kept, strict=True):
            np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("axes", [(0, 2), (1, 3), (1, 2, 4), (0, 2, 4), (0, 1, 3, 4), (0, 4), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_and_variances_over_axes_that_are_not_neighbours(axes, dtype):
    x = np.random.default_rng(len(axes)).normal(size=(6, 7, 1 if axes == (2, 3) else 11, 8, 13)).astype(dtype)
    exact, tolerance = x.astype(float), 1e-5 if dtype == np.float32 else 1e-12
    for keepdims in (False, True):
        with Tape() as tape:
            source = tape.watch(x)
            total = ops.sum(source, axis=axes, keepdims=keepdims)
            mean = ops.mean(source, axis=axes, keepdims=True)
            variance = ops.mean(ops.square(ops.subtract(source, mean)), axis=axes, keepdims=keepdims)
        np.testing.assert_allclose(total.value, exact.sum(axes, keepdims=keepdims), rtol=tolerance, atol=100 * tolerance)
        np.testing.assert_allclose(variance.value, exact.var(axes, keepdims=keepdims), rtol=10 * tolerance)
        dy = np.random.default_rng(9).normal(size=variance.shape).astype(dtype)
        (dx,) = tape.gradients([(variance, dy)])
        slope, centred = dy.reshape(mean.shape), exact - exact.mean(axes, keepdims=True)
        wanted = 2 * centred * slope * total.value.size / x.size
        np.testing.assert_allclose(dx, wanted, rtol=100 * tolerance, atol=tolerance)


def test_the_gradient_of_a_power_of_zero_is_zero():
    """It was NaN at 0."""
    x = np.array([-2.0, 0.0, 3.0])
    for exponent, slope in ((0.0, [0, 0, 0]), ([0.0, 0.0, 2.0], [0, 0, 6]), ([1.0, 2.0, 0.0], [1, 0, 0])):
        with Tape() as tape:
            y = ops.power(tape.watch(x), np.asarray(exponent))
        np.testing.assert_array_equal(tape.gradients([(y, np.ones(3))])[0], slope)
