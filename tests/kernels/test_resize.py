"""Places in between, against products with matrices of their weights."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
CHANNELS = [*range(1, 34), 63, 64, 65, 130]


def drawn(rng, size, count):
    """Places of `size` in any order, with weights that are sometimes 0, and the matrix [count, size] of both."""
    places = rng.integers(0, size, count)
    weights = rng.uniform(size=count) * (rng.uniform(size=count) < 0.7) * (places < size - 1)
    matrix = np.zeros((count, size))
    matrix[np.arange(count), places] = 1 - weights
    matrix[np.arange(count), np.minimum(places + 1, size - 1)] += weights
    return places, weights, matrix


@pytest.mark.parametrize("channels", CHANNELS)
@dtypes
def test_resize_and_its_gradient(target, dtype, channels):
    rng = np.random.default_rng(channels)
    for n, (h, p), (w, q) in [
        (1, (1, 1), (1, 1)),
        (2, (3, 7), (4, 5)),
        (3, (5, 2), (1, 9)),
        (0, (2, 2), (2, 2)),
        (2, (1, 3), (6, 40)),
    ]:
        rows, row_weights, down = drawn(rng, h, p)
        columns, column_weights, right = drawn(rng, w, q)
        x = surrounded(rng.normal(size=(n, h, w, channels)), dtype, 1)
        dy = surrounded(rng.normal(size=(n, p, q, channels)), dtype, 2)
        y, dx = Guarded(dy.shape, dtype, 3), Guarded(x.shape, dtype, 1)
        _kernels.resize_forward(x, rows, row_weights, columns, column_weights, y.array)
        close(y.array, np.einsum("ph,qw,nhwc->npqc", down, right, x.astype(np.float64)), 16)
        _kernels.resize_backward(dy, rows, row_weights, columns, column_weights, dx.array)
        close(dx.array, np.einsum("ph,qw,npqc->nhwc", down, right, dy.astype(np.float64)), 64)
        assert y.intact() and dx.intact()


def test_places_without_a_weight_are_copied(target):
    x = np.array([[1.0, np.inf], [np.nan, 2.0]], np.float32).reshape(1, 2, 2, 1)
    y, places, none = np.empty((1, 4, 4, 1), np.float32), np.array([0, 0, 1, 1]), np.zeros(4)
    _kernels.resize_forward(x, places, none, places, none, y)
    np.testing.assert_array_equal(y, x.repeat(2, 1).repeat(2, 2))


def test_bad_arguments_are_refused():
    x, y, places, none = np.ones((1, 2, 3, 4)), np.ones((1, 2, 2, 4)), np.array([0, 1]), np.zeros(2)
    half = np.full(2, 0.5)
    for arguments in (
        (x[0].copy(), places, none, places, none, y), (x, places[:1].copy(), none, places, none, y), (x, places, none, places, none[:1].copy(), y),
        (x, np.array([0, 2]), none, places, none, y), (x, np.array([-1, 0]), none, places, none, y), (x, places, half, places, none, y),
        (x, places, none, places + 2, none, y), (x, places, none, places + 1, half, y), (x[:0].copy(), places, none, places, none, y),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="resize_forward: requires"):
            _kernels.resize_forward(*arguments)
        with pytest.raises(ValueError, match="resize_backward: requires"):
            _kernels.resize_backward(arguments[-1], *arguments[1:-1], arguments[0])
