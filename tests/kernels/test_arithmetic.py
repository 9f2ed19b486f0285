"""Sums, differences, products and quotients of arrays against NumPy: all widths, each array that may be broadcast."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

OPERATIONS = [np.add, np.subtract, lambda a, b: b - a, np.multiply, np.true_divide, lambda a, b: b / a, np.maximum, np.minimum]
SIZES = [*((5, c) for c in range(1, 68)), (1, 3), (9001, 3), (900, 300), (2, 40_001), (0, 4), (4, 0)]


@pytest.mark.parametrize("operation", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic(target, dtype, operation):
    for rows, columns in SIZES:
        normal = np.random.default_rng(columns).standard_normal
        a = surrounded(normal((rows, columns)), dtype, 1)
        for shape in [(rows, columns), (1, columns), (rows, 1), (1, 1)]:
            b = surrounded(normal(shape), dtype, 2)
            y = Guarded(a.shape, dtype, 3)
            _kernels.arithmetic(a, b, operation, y.array)
            np.testing.assert_array_equal(y.array, OPERATIONS[operation](a, b))
            assert y.intact()


def test_special_values():
    a, b = np.array([[1.0, -1.0, 0.0, np.inf, np.nan, -0.0]]), np.zeros((1, 1))
    y = np.empty_like(a)
    _kernels.arithmetic(a, b, 4, y)
    np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan]])


@pytest.mark.parametrize(
    "a, b, operation, condition",
    [
        ((2, 3), (2, 3), 8, "operation < kOperations"),
        ((2, 3), (2, 3), -1, "operation >= 0"),
        ((2, 3), (3, 3), 0, "b.shape.0."),
        ((2, 3), (2, 2), 0, "b.shape.1."),
        ((1, 3), (2, 3), 0, "b.shape.0."),
        ((6,), (6,), 0, "a.rank == 2"),
    ],
)
def test_shapes_that_do_not_fit(a, b, operation, condition):
    with pytest.raises(ValueError, match=condition):
        _kernels.arithmetic(np.ones(a), np.ones(b), operation, np.ones(a))
