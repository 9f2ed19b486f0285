"""Arrays with strides, copied and added, and arrays one after another, against NumPy: all widths, blocks, wrong arguments."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.guard import Guarded, surrounded

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LINES = [*range(1, 36, 3), 64, 127, 129, 300]  # from below a vector to beyond a block of a transposed copy


def numbers(shape, dtype):
    """Different numbers, so that each place is checked."""
    return surrounded(np.arange(int(np.prod(shape))).reshape(shape), dtype, 1)


def meets(view, x, target_shift=1):
    """strided_copy and strided_add of a view of x, against NumPy."""
    offset = (view.__array_interface__["data"][0] - x.__array_interface__["data"][0]) // x.itemsize
    strides = np.array([s // x.itemsize for s in view.strides], np.int64)
    y = Guarded(view.shape, x.dtype, target_shift)
    _kernels.strided_copy(x, offset, strides, y.array)
    np.testing.assert_array_equal(y.array, view)
    before = np.asarray(numbers(view.shape, x.dtype) * 0.5)
    _kernels.strided_add(x, offset, strides, before, y.array)
    np.testing.assert_array_equal(y.array, before + view)
    _kernels.strided_add(x, offset, strides, y.array, y.array)
    np.testing.assert_array_equal(y.array, before + view + view)
    assert y.intact()


@dtypes
def test_transposed_matrices_of_all_sizes(target, dtype):
    for rows in LINES:
        for columns in LINES:
            x = numbers((rows, columns), dtype)
            meets(x.T, x)


VIEWS = {
    "heads": ((3, 7, 4, 10), lambda x: x.transpose(0, 2, 1, 3)),
    "channels first": ((3, 5, 7, 19), lambda x: x.transpose(0, 3, 1, 2)),
    "channels last": ((3, 19, 5, 7), lambda x: x.transpose(0, 2, 3, 1)),
    "reversed axes": ((3, 4, 5, 6), lambda x: x.T),
    "slice of the last axis": ((3, 9, 21), lambda x: x[..., 4:17]),
    "slice of an inner axis": ((3, 9, 21), lambda x: x[:, 2:7]),
    "every second": ((3, 9, 21), lambda x: x[:, ::2, ::3]),
    "last to first": ((3, 9, 21), lambda x: x[::-1, ::-1, ::-1]),
    "last to first, transposed": ((23, 41), lambda x: x[::-1].T),
    "broadcast before": ((5, 1, 9), lambda x: np.broadcast_to(x, (4, 5, 3, 9))),
    "broadcast after": ((40, 1), lambda x: np.broadcast_to(x, (40, 37))),
    "one row": ((1, 9), lambda x: x.T[2:, :]),
    "one element": ((3, 9), lambda x: x[1:2, 4:5]),
    "number": ((3, 9), lambda x: x[1, 4, ...]),
    "nothing": ((3, 9), lambda x: x[1:1].T),
    "eight axes": ((2, 3, 1, 2, 3, 2, 2, 3), lambda x: x.transpose(7, 2, 0, 6, 1, 4, 3, 5)),
    "long lines": ((3, 40_001), lambda x: x.T),
    "a long line": ((2, 50_001), lambda x: x[1:, 3:]),
    "long columns": ((40_001, 3), lambda x: x.T),
}


@pytest.mark.parametrize("name", VIEWS)
@dtypes
def test_views(target, dtype, name):
    shape, view = VIEWS[name]
    x = numbers(shape, dtype)
    meets(view(x), x)


@dtypes
def test_all_orders_of_four_axes(target, dtype):
    x = numbers((2, 5, 3, 18), dtype)
    for order in np.ndindex(4, 4, 4, 4):
        if len(set(order)) == 4:
            meets(x.transpose(order), x)


@pytest.mark.parametrize(
    "offset, strides, shape",
    [
        (-1, (1,), (3,)),
        (0, (1,), (13,)),
        (10, (1,), (3,)),
        (0, (-1,), (2,)),
        (0, (5, 3), (3, 2)),
        (0, (12,), (2,)),
        (0, (2**62,), (3,)),
        (0, (-(2**63),), (2,)),
        (2**62, (1,), (1,)),
        (2**63 - 1, (1,), (3,)),
        (12, (), ()),
    ],
)
def test_elements_outside_are_refused(offset, strides, shape):
    y = np.zeros(shape)
    with pytest.raises(ValueError, match="elements_within"):
        _kernels.strided_copy(np.ones(12), offset, np.array(strides, np.int64), y)
    with pytest.raises(ValueError, match="elements_within"):
        _kernels.strided_add(np.ones(12), offset, np.array(strides, np.int64), y, y)
    assert not y.any()


def test_an_array_is_not_added_to_itself_in_another_order():
    x = np.ones((3, 3))
    with pytest.raises(ValueError, match="y.data != x.data"):
        _kernels.strided_add(x, 0, np.array([1, 3]), np.ones((3, 3)), x)


def test_each_axis_needs_a_stride():
    with pytest.raises(ValueError, match="strides.size == y.rank"):
        _kernels.strided_copy(np.ones(12), 0, np.array([1, 1]), np.zeros(3))


@pytest.mark.parametrize("rows", [1, 2, 7, 900])
@dtypes
def test_concatenate(target, dtype, rows):
    for widths in [(1,), (3, 0, 5), (16, 1, 40), (7, 7), (300, 64), *((w, 33) for w in range(1, 34))]:
        parts = [numbers((rows, w), dtype) + i * 1000 for i, w in enumerate(widths)]
        y = Guarded((rows, sum(widths)), dtype, 1)
        _kernels.concatenate([surrounded(part, dtype, i) for i, part in enumerate(parts)], rows, y.array)
        np.testing.assert_array_equal(y.array, np.concatenate(parts, axis=1))
        assert y.intact()


@pytest.mark.parametrize("rows, widths, size", [(0, (3, 4), 7), (2, (3, 4), 7), (1, (3, 4), 8), (1, (), 1)])
def test_parts_that_do_not_fit_are_refused(rows, widths, size):
    y = np.zeros(size)
    with pytest.raises(ValueError, match="rows > 0|parts_fit"):
        _kernels.concatenate([np.ones(w) for w in widths], rows, y)
    assert not y.any()


@pytest.mark.parametrize("channels", [*range(1, 35), 130])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pad(target, dtype, channels):
    for n, sizes, top, bottom, left, right in [
        (2, (3, 4), 1, 2, 3, 1), (1, (1, 1), 0, 0, 0, 0), (3, (2, 5), 0, 1, 0, 2), (2, (0, 2), 1, 1, 1, 1), (0, (2, 2), 1, 1, 1, 1),
        (2, (4, 1), 2, 0, 2, 0), (1, (30, 40), 1, 1, 1, 1),
    ]:  # fmt: skip
        x = surrounded(np.random.default_rng(channels).normal(size=(n, *sizes, channels)), dtype, 1)
        wanted = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        y = Guarded(wanted.shape, dtype, 3)
        _kernels.pad(x, top, left, y.array)
        np.testing.assert_array_equal(y.array, wanted)
        assert y.intact()


def test_pad_refuses_shapes_that_do_not_fit():
    x, y = np.ones((1, 2, 3, 4)), np.ones((1, 3, 4, 4))
    for arguments in (
        (x, 2, 0, y), (x, 0, 2, y), (x, -1, 0, y), (x, 0, -1, y), (x, 2**62, 0, y), (y, 0, 0, x), (x[0].copy(), 0, 0, y),
        (x, 0, 0, y[..., :3].copy()), (x, 0, 0, np.ones((2, 3, 4, 4))),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="pad: requires"):
            _kernels.pad(*arguments)
