"""softmax and the losses against their definitions: rows of all short lengths, extreme values, labels out of range."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import losses as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(r, c) for r in (1, 2, 9, 33) for c in (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 67)] + [(0, 5), (3, 1000), (40, 10)]
EPS = 1e-3


def draws(rows, columns, dtype):
    rng = np.random.default_rng(rows * 100 + columns)
    z = surrounded(rng.normal(scale=3, size=(rows, columns)), dtype, 1)
    p = rng.uniform(0, 1, (rows, columns))
    p[rng.uniform(size=p.shape) < 0.1] = 0  # outside of the clipped range
    p[:, 0] = np.maximum(p[:, 0], 0.2)
    y = surrounded(rng.uniform(0, 1, (rows, columns)), dtype, 2)
    d = surrounded(rng.normal(size=rows), dtype)
    return z, surrounded(p, dtype), y, d, rng.integers(0, columns, rows)


@pytest.mark.parametrize("shape", SHAPES)
@dtypes
def test_softmax(target, dtype, shape):
    z, _, dy, _, _ = draws(*shape, dtype)
    y, dx = Guarded(shape, dtype, 3), Guarded(shape, dtype, 1)
    _kernels.softmax_forward(z, y.array)
    if z.size:
        close(y.array, oracle.softmax(z.astype(np.float64)), 8, scale=1)
    _kernels.softmax_backward(y.array, dy, dx.array)
    close(dx.array, oracle.softmax_backward(y.array.astype(np.float64), dy.astype(np.float64)), 8, scale=1)
    assert y.intact() and dx.intact()


# name: (oracle, how predictions are drawn, how targets are drawn, parameters)
LOSSES = {
    "squared_error": (oracle.squared_error, "z", "y", ()),
    "absolute_error": (oracle.absolute_error, "z", "y", ()),
    "binary_crossentropy": (oracle.binary_crossentropy, "p", "y", (EPS,)),
    "categorical_crossentropy": (oracle.categorical_crossentropy, "p", "y", (EPS,)),
    "sparse_categorical_crossentropy": (oracle.sparse_categorical_crossentropy, "p", "labels", (EPS,)),
}


def as_it_is(y):
    return y


def signs(y):
    return np.where(y > 0.5, 1, -1)


# name: (oracle, parameters, how the gradient of the target is computed, targets, ulps)
WITH_TARGETS = {
    "percentage_error": (oracle.percentage_error, (EPS,), "kernel", as_it_is, 64),
    "logarithmic_error": (oracle.logarithmic_error, (EPS,), "swapped", as_it_is, 64),
    "logcosh": (oracle.logcosh, (), "negated", as_it_is, 64),
    "poisson": (oracle.poisson, (EPS,), "kernel", as_it_is, 64),
    "hinge": (oracle.hinge, (), "swapped", signs, 64),
    "squared_hinge": (oracle.squared_hinge, (), "swapped", signs, 64),
    "categorical_hinge": (oracle.categorical_hinge, (), "kernel", lambda y: y > 0.8, 64),
    "kl_divergence": (oracle.kl_divergence, (EPS,), "kernel", as_it_is, 64),
    # Two terms of size 1/|p| and 1/|y| cancel; in a row with one element the result is 0.
    "cosine": (oracle.cosine, (), "swapped", lambda y: np.maximum(y, 0.2), 256),
}
FUSED = {
    "softmax_crossentropy": (oracle.softmax_crossentropy, oracle.softmax, "y"),
    "sigmoid_crossentropy": (oracle.sigmoid_crossentropy, oracle.sigmoid, "y"),
    "sparse_softmax_crossentropy": (
        lambda z, labels: oracle.softmax_crossentropy(z, oracle.one_hot(labels, z.shape[-1])), oracle.softmax, "labels",
    ),
}  # fmt: skip


def exact(a):
    return a.astype(np.float64) if a.dtype.kind == "f" else a


@pytest.mark.parametrize("name", LOSSES)
@dtypes
def test_loss_and_gradient(target, dtype, name):
    definition, source, wanted, parameters = LOSSES[name]
    for shape in SHAPES:
        z, p, y, d, labels = draws(*shape, dtype)
        given, t = (z if source == "z" else p), (y if wanted == "y" else labels)
        loss, dp = Guarded(shape[0], dtype, 1), Guarded(shape, dtype, 3)
        getattr(_kernels, f"{name}_forward")(given, t, *parameters, loss.array)
        getattr(_kernels, f"{name}_backward")(given, t, d, *parameters, dp.array)
        if shape[0]:
            # The clip at EPS, rounded to dtype, may differ from the oracle's by one unit.
            value, gradient = definition(exact(given), exact(t), *parameters)
            close(loss.array, value, 32)
            close(dp.array, exact(d)[:, None] * gradient, 64)
        assert loss.intact() and dp.intact()


@pytest.mark.parametrize("name", WITH_TARGETS)
@dtypes
def test_loss_and_both_gradients(target, dtype, name):
    definition, parameters, to_target, targets, ulps = WITH_TARGETS[name]
    backward = getattr(_kernels, f"{name}_backward")
    for shape in SHAPES:
        _, p, y, d, _ = draws(*shape, dtype)
        y[...] = targets(y)
        loss, dp, dy = Guarded(shape[0], dtype, 1), Guarded(shape, dtype, 3), Guarded(shape, dtype, 2)
        getattr(_kernels, f"{name}_forward")(p, y, *parameters, loss.array)
        backward(p, y, d, *parameters, dp.array)
        if to_target == "kernel":
            getattr(_kernels, f"{name}_backward_target")(p, y, d, *parameters, dy.array)
        elif to_target == "swapped":
            backward(y, p, d, *parameters, dy.array)
        else:
            backward(p, y, -d, *parameters, dy.array)
        if shape[0]:
            value, to_p, to_y = definition(exact(p), exact(y), *parameters)
            close(loss.array, value, 32)
            close(dp.array, exact(d)[:, None] * to_p, ulps)
            close(dy.array, exact(d)[:, None] * to_y, ulps)
        assert loss.intact() and dp.intact() and dy.intact()


@dtypes
def test_logcosh_keeps_its_digits_near_zero_and_does_not_overflow(target, dtype):
    largest = np.finfo(dtype).max
    p = np.array([1e-6, -1e-6, 1e-3, 0.1, 3, 19.99, 20, 21, -1e4, 1e30, largest / 2], dtype)
    loss, dp = np.empty(p.shape, dtype), np.empty(p.shape, dtype)
    column = p[:, None], np.zeros((p.size, 1), dtype)
    _kernels.logcosh_forward(*column, loss)
    value, slope, _ = oracle.logcosh(column[0].astype(np.float64), 0.0)
    np.testing.assert_allclose(loss, value, rtol=8 * np.finfo(dtype).eps if dtype == np.float32 else 1e-12)
    _kernels.logcosh_backward(*column, np.ones(p.shape, dtype), dp[:, None])
    np.testing.assert_allclose(dp, slope[:, 0], rtol=8 * np.finfo(dtype).eps)


@dtypes
def test_cosine_of_a_row_shorter_than_the_bound(target, dtype):
    _, p, y, d, _ = draws(9, 7, dtype)
    p *= 1e-7
    loss, dp = np.empty(9, dtype), np.empty((9, 7), dtype)
    _kernels.cosine_forward(p, y, loss)
    _kernels.cosine_backward(p, y, d, dp)
    value, to_p, _ = oracle.cosine(exact(p), exact(y))
    close(loss, value, 32)
    close(dp, exact(d)[:, None] * to_p, 32)


@pytest.mark.parametrize("name", WITH_TARGETS)
@dtypes
def test_predictions_of_ten_thousand_stay_finite_and_nan_stays_nan(target, dtype, name):
    parameters = WITH_TARGETS[name][1]
    p = np.array([[1e4, 1, 0], [1e4, 1e4, 1e4], [0, 0, 0]], dtype)
    y = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype)
    if name not in ("poisson", "kl_divergence"):
        p[0, 1] = -1e4
    loss, dp = np.empty(3, dtype), np.empty_like(p)
    getattr(_kernels, f"{name}_forward")(p, y, *parameters, loss)
    getattr(_kernels, f"{name}_backward")(p, y, np.ones(3, dtype), *parameters, dp)
    assert np.isfinite(loss).all() and np.isfinite(dp).all()
    p[1, 1] = np.nan
    getattr(_kernels, f"{name}_forward")(p, y, *parameters, loss)
    assert np.isnan(loss).tolist() == [False, True, False]


@pytest.mark.parametrize("name", FUSED)
@dtypes
def test_fused_with_the_activation(target, dtype, name):
    definition, activation, wanted = FUSED[name]
    for shape in SHAPES:
        z, _, y, d, labels = draws(*shape, dtype)
        t = y if wanted == "y" else labels
        p, loss, dz = Guarded(shape, dtype, 2), Guarded(shape[0], dtype), Guarded(shape, dtype, 1)
        getattr(_kernels, f"{name}_forward")(z, t, p.array, loss.array)
        getattr(_kernels, f"{name}_backward")(p.array, t, d, dz.array)
        if shape[0]:
            value, gradient = definition(exact(z), exact(t))
            close(p.array, activation(exact(z)), 8, scale=1)
            close(loss.array, value, 16)
            close(dz.array, exact(d)[:, None] * gradient, 32)
        assert p.intact() and loss.intact() and dz.intact()


@dtypes
def test_logits_of_ten_thousand_stay_finite(target, dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    y = np.eye(3, dtype=dtype)[:2]
    p, loss, dz = np.empty_like(z), np.empty(2, dtype), np.empty_like(z)
    for name in ("softmax_crossentropy", "sigmoid_crossentropy"):
        getattr(_kernels, f"{name}_forward")(z, y, p, loss)
        getattr(_kernels, f"{name}_backward")(p, y, np.ones(2, dtype), dz)
        assert np.isfinite(p).all() and np.isfinite(loss).all() and np.isfinite(dz).all()
    _kernels.softmax_forward(z, p)
    np.testing.assert_allclose(p, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


@dtypes
def test_minus_infinity_where_the_target_is_zero(target, dtype):
    z = np.array([[0, 0, -np.inf]], dtype)
    y = np.array([[1, 0, 0]], dtype)
    p, loss = np.empty_like(z), np.empty(1, dtype)
    _kernels.softmax_crossentropy_forward(z, y, p, loss)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


@pytest.mark.parametrize("label", [-1, 3, 2**62])
@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "sparse_softmax_crossentropy"])
def test_labels_out_of_range_are_refused_before_anything_is_written(target, name, label):
    p, labels, d = np.full((2, 3), 1 / 3), np.array([0, label]), np.ones(2)
    loss, dp = np.full(2, 7.0), np.full((2, 3), 7.0)
    eps = (EPS,) if "categorical" in name else ()
    outputs = (loss,) if eps else (dp, loss)
    with pytest.raises(ValueError, match="all_within"):
        getattr(_kernels, f"{name}_forward")(p, labels, *eps, *outputs)
    with pytest.raises(ValueError, match="all_within"):
        getattr(_kernels, f"{name}_backward")(p, labels, d, *eps, dp)
    assert (loss == 7).all() and (dp == 7).all()
