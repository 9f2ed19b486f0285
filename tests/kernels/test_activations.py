"""Elementwise kernels against their definitions: all short lengths and alignments, in place, wide ranges, special values."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded
from tests.oracles import activations as oracle

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LENGTHS = range(68)  # four of the widest vectors and three more
CASES = {name: (f, slope, "y", ()) for name, (f, slope) in oracle.PLAIN.items()}
CASES["elu"] = (oracle.elu, oracle.elu_slope, "y", (0.7, 1.3))
CASES["relu"] = (oracle.relu, oracle.relu_slope, "x", (0.1, 1.5, 0.25))
RELUS = [(0.1, 1.5, -0.5), (0.0, 1.5, -0.5), (0.2, np.inf, -0.5), (0.2, np.inf, 0.5), (0.1, 0.5, 1.0), (0.1, -1.0, 0.0)]
cases = pytest.mark.parametrize("name", CASES)


@cases
@dtypes
def test_every_length_and_alignment(target, name, dtype):
    f, slope, reads, parameters = CASES[name]
    draw = np.random.default_rng(0).normal(scale=2, size=100)
    forward, backward = getattr(_kernels, f"{name}_forward"), getattr(_kernels, f"{name}_backward")
    for n in LENGTHS:
        x = surrounded(draw[:n], dtype, n % 5)
        dy = surrounded(draw[30 : 30 + n], dtype, n % 3)
        y, dx = Guarded(n, dtype, n % 7), Guarded(n, dtype, n % 2)
        exact = x.astype(np.float64)
        forward(x, *parameters, y.array)
        close(y.array, f(exact, *parameters), 4)
        backward(y.array if reads == "y" else x, dy, *parameters, dx.array)
        close(dx.array, dy.astype(np.float64) * slope(exact, *parameters), 8, scale=5)
        assert y.intact() and dx.intact()


@pytest.mark.parametrize("parameters", RELUS)
@dtypes
def test_relu_at_and_around_its_bounds(target, dtype, parameters):
    x = np.array([-np.inf, -2, -0.5, -0.25, -0.0, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, np.nan], dtype)
    dy, y, dx = np.linspace(1, 2, x.size, dtype=dtype), np.empty_like(x), np.empty_like(x)
    _kernels.relu_forward(x, *parameters, y)
    _kernels.relu_backward(x, dy, *parameters, dx)
    np.testing.assert_allclose(y, oracle.relu(x, *parameters), rtol=1e-6)
    np.testing.assert_allclose(dx, dy * oracle.relu_slope(x, *parameters), rtol=1e-6)


@cases
@dtypes
def test_in_place(target, name, dtype):
    _, _, reads, parameters = CASES[name]
    x = np.random.default_rng(1).normal(size=37).astype(dtype)
    dy = x[::-1].copy()
    y, dx = np.empty_like(x), np.empty_like(x)
    getattr(_kernels, f"{name}_forward")(x, *parameters, y)
    getattr(_kernels, f"{name}_backward")(y if reads == "y" else x, dy, *parameters, dx)
    getattr(_kernels, f"{name}_backward")(y if reads == "y" else x, dy, *parameters, dy)
    getattr(_kernels, f"{name}_forward")(x, *parameters, x)
    assert x.tobytes() == y.tobytes() and dy.tobytes() == dx.tobytes()


# Largest errors measured on avx2 and sse4, in units in the last place: exp 1.0, log 1.1, tanh 2.3, sigmoid 2.2,
# elu (expm1) 1.1, softplus 1.8, softsign 1.5.
WIDE = {
    "exp": (np.exp, (), 2), "log": (np.log, (), 2), "tanh": (np.tanh, (), 4), "sigmoid": (oracle.sigmoid, (), 4),
    "elu": (oracle.elu, (1.0, 1.0), 2), "softplus": (oracle.softplus, (), 3),
    "softsign": (lambda x: x / (1 + np.abs(x)), (), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", WIDE)
@dtypes
def test_error_in_units_in_the_last_place_over_the_whole_range(target, name, dtype):
    f, parameters, bound = WIDE[name]
    rng = np.random.default_rng(2)
    edge = 89 if dtype == np.float32 else 711
    x = np.concatenate(
        [
            rng.uniform(-edge, edge, 50_001),
            rng.choice([-1, 1], 20_000) * rng.uniform(edge - 2, edge + 3, 20_000),
            rng.uniform(-2, 2, 50_000),
            rng.normal(size=20_000) * 10.0 ** rng.uniform(-30, 1, 20_000),
            10.0 ** rng.uniform(-37, 38, 20_000),
        ]
    ).astype(dtype)
    x = np.abs(x) if name == "log" else x
    y = np.empty_like(x)
    getattr(_kernels, f"{name}_forward")(x, *parameters, y)
    with np.errstate(all="ignore"):
        exact = np.asarray(f(x.astype(np.longdouble), *parameters), np.longdouble)
        limits = np.finfo(dtype)
        normal = (np.abs(exact) >= limits.tiny) & (np.abs(exact) <= limits.max)
        ulps = np.abs(y - exact)[normal] / np.spacing(np.abs(exact[normal]).astype(dtype))
        assert ulps.max() <= bound
        small = np.abs(exact) < limits.tiny
        assert (np.abs(y[small]) <= limits.tiny).all()
        large = np.abs(exact) > limits.max
        assert (y[large] == exact[large].astype(dtype)).all()


SPECIAL = {  # at 0, inf, -inf
    "exp": (1, np.inf, 0), "log": (-np.inf, np.inf, np.nan), "tanh": (0, 1, -1), "sigmoid": (0.5, 1, 0),
    "elu": (0, np.inf, -1), "softplus": (np.log(2), np.inf, 0), "hard_sigmoid": (0.5, 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", SPECIAL)
@dtypes
def test_infinities_and_nan(target, name, dtype):
    x = np.array([0, np.inf, -np.inf, np.nan] * 9, dtype)
    y = np.empty_like(x)
    getattr(_kernels, f"{name}_forward")(x, *((1.0, 1.0) if name == "elu" else ()), y)
    np.testing.assert_allclose(y.reshape(9, 4), np.tile(np.array([*SPECIAL[name], np.nan]), (9, 1)), rtol=1e-6)


@dtypes
def test_logarithms_of_negative_numbers_are_nan(target, dtype):
    x = -(10.0 ** np.linspace(-37, 38, 1001)).astype(dtype)
    y = np.zeros_like(x)
    _kernels.log_forward(x, y)
    assert np.isnan(y).all()


def test_denormals_are_flushed_only_inside_of_kernels(target):
    tiny = np.float32(1e-40)
    x, y = np.full(20, tiny), np.empty(20, np.float32)
    _kernels.tanh_forward(x, y)
    assert tiny * np.float32(1) == tiny and (x == tiny).all()
    assert (y == 0).all() or (y == tiny).all()


@pytest.mark.parametrize("name", [*CASES, "exp", "log"])
def test_other_shapes_are_refused(target, name):
    parameters = CASES[name][3] if name in CASES else ()
    x, y = np.ones((3, 4), np.float32), np.zeros((4, 3), np.float32)
    with pytest.raises(ValueError, match="same_shape"):
        getattr(_kernels, f"{name}_forward")(x, *parameters, y)
    assert not y.any()
