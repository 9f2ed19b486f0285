"""relu with a trained slope against NumPy: narrow, joined and long rows, several chunks, special values."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, close, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
# Rows of all widths; several chunks of rows; rows so long that chunks are columns.
SIZES = [*((5, c) for c in range(1, 70)), (1, 3), (9001, 3), (900, 300), (7, 5000), (700, 4099), (2, 40_000)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@dtypes
def test_prelu(target, dtype, size):
    normal = np.random.default_rng(size[1]).standard_normal
    x, dy = (surrounded(normal(size), dtype, i) for i in (1, 2))
    x[-1, -1] = 0
    alpha = surrounded(normal(size[1]), dtype, 1)
    y, dx, dalpha = Guarded(size, dtype, 1), Guarded(size, dtype, 2), Guarded(size[1], dtype, 3)
    _kernels.prelu_forward(x, alpha, y.array)
    _kernels.prelu_backward(x, alpha, dy, dx.array, dalpha.array)
    np.testing.assert_array_equal(y.array, np.where(x > 0, x, alpha * x))
    np.testing.assert_array_equal(dx.array, np.where(x > 0, dy, np.where(x < 0, alpha * dy, 0)))
    close(dalpha.array, (dy.astype(float) * np.minimum(x, 0)).sum(axis=0), 4 * size[0] ** 0.5)
    assert y.intact() and dx.intact() and dalpha.intact()


@dtypes
def test_special_values(target, dtype):
    x = np.array([[np.inf, -np.inf, np.nan, 0.0, -0.0]], dtype)
    y, dx, dalpha = np.empty_like(x), np.empty_like(x), np.empty(5, dtype)
    _kernels.prelu_forward(x, np.full(5, 0.5, dtype), y)
    np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan, 0, 0]])
    _kernels.prelu_backward(x, np.full(5, 0.5, dtype), np.ones_like(x), dx, dalpha)
    np.testing.assert_array_equal(dx, [[1, 0.5, 0, 0, 0]])
    np.testing.assert_array_equal(dalpha, [0, -np.inf, np.nan, 0, 0])


def test_slopes_that_do_not_fit():
    with pytest.raises(ValueError, match="has_columns"):
        _kernels.prelu_forward(np.ones((2, 3)), np.ones(4), np.ones((2, 3)))
    dalpha = np.ones(0)
    _kernels.prelu_backward(*(np.ones((2, 0)), np.ones(0), np.ones((2, 0))), np.ones((2, 0)), dalpha)
