"""Sums, differences, products, quotients and extrema of arrays against NumPy: all widths, each array that may be broadcast."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

OPERATIONS = [np.add, np.subtract, lambda a, b: b - a, np.multiply, np.true_divide, lambda a, b: b / a, np.maximum, np.minimum]
SIZES = [
    *((1, 5, c) for c in range(1, 68)), (1, 1, 3), (1, 9001, 3), (1, 900, 300), (1, 2, 40_001), (1, 0, 4), (1, 4, 0),
    (3, 5, 7), (9, 50, 33), (40, 30, 64), (2, 3, 20_001), (0, 3, 4), (3, 0, 4),
]  # fmt: skip


@pytest.mark.parametrize("operation", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic(target, dtype, operation):
    for size in SIZES:
        normal = np.random.default_rng(size[-1]).standard_normal
        a = surrounded(normal(size), dtype, 1)
        for shape in {tuple(n if own else 1 for n, own in zip(size, owns, strict=True)) for owns in np.ndindex(2, 2, 2)}:
            b = surrounded(normal(shape), dtype, 2)
            y = Guarded(a.shape, dtype, 3)
            _kernels.arithmetic(a, b, operation, y.array)
            np.testing.assert_array_equal(y.array, OPERATIONS[operation](a, b))
            assert y.intact()


@pytest.mark.parametrize("operation", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_broadcast(target, dtype, operation):
    for size in [
        *((3, 5, c) for c in (1, 2, 3, 7, 16, 17, 33, 67, 300)),
        (1, 9001, 3),
        (40, 30, 64),
        (2, 3, 20_001),
        (3, 700, 2),
    ]:
        normal = np.random.default_rng(size[-1]).standard_normal
        for own_a in np.ndindex(2, 2, 2):
            for own_b in np.ndindex(2, 2, 2):
                if not all(p or q for p, q in zip(own_a, own_b, strict=True)):
                    continue
                a, b = (surrounded(normal([n if own else 1 for n, own in zip(size, owns, strict=True)]), dtype, 1)
                        for owns in (own_a, own_b))  # fmt: skip
                y = Guarded(size, dtype, 3)
                _kernels.arithmetic(a, b, operation, y.array)
                np.testing.assert_array_equal(y.array, OPERATIONS[operation](a, b))
                assert y.intact()


def test_special_values():
    a, b = np.array([[[1.0, -1.0, 0.0, np.inf, np.nan, -0.0]]]), np.zeros((1, 1, 1))
    y = np.empty_like(a)
    _kernels.arithmetic(a, b, 4, y)
    np.testing.assert_array_equal(y, [[[np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan]]])
    for operation, function in ((6, np.maximum), (7, np.minimum)):
        for other in (np.zeros((1, 1, 1)), np.full((1, 1, 1), np.nan), np.full((1, 1, 1), -np.inf)):
            _kernels.arithmetic(a, other, operation, y)
            np.testing.assert_array_equal(y, function(a, other))


@pytest.mark.parametrize(
    "a, b, operation, condition",
    [
        ((4, 2, 3), (4, 2, 3), 8, "operation < kOperations"),
        ((4, 2, 3), (4, 2, 3), -1, "operation >= 0"),
        ((4, 2, 3), (2, 2, 3), 0, "b.shape.i."),
        ((4, 2, 3), (4, 3, 3), 0, "b.shape.i."),
        ((4, 2, 3), (4, 2, 2), 0, "b.shape.i."),
        ((1, 1, 3), (1, 2, 3), 0, "b.shape.i."),
        ((2, 3), (2, 3), 0, "a.rank == 3"),
    ],
)
def test_shapes_that_do_not_fit(a, b, operation, condition):
    with pytest.raises(ValueError, match=condition):
        _kernels.arithmetic(np.ones(a), np.ones(b), operation, np.ones(a))
