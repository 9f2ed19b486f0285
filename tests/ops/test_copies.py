"""Arrays with any strides in ops that copy them."""

import numpy as np
import pytest

from lamella import ops
from lamella.core.user_array import for_user
from lamella.ops.arrays import contiguous

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
VIEWS = [X, X.T, X.transpose(0, 2, 1, 3), X[:, ::2, 1:3], X[::-1, :, ::-1], np.broadcast_to(X[:, :1], X.shape), X[1, 2, 3, 4:]]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.float16, ">f4"])
def test_a_contiguous_array_has_the_same_elements(kind):
    for view in [*(v.astype(kind, order="K", copy=False) for v in VIEWS), X.astype(kind)[..., ::2].T]:
        for x in (view, for_user(view)):
            y = contiguous(x)
            assert y.flags.c_contiguous and y.flags.aligned and y.dtype == view.dtype
            np.testing.assert_array_equal(y, view)
    fields = np.zeros(5, [("a", "i1"), ("b", "<f4")])  # strides of 5 bytes
    fields["b"] = range(5)
    np.testing.assert_array_equal(contiguous(fields["b"]), range(5))


@pytest.mark.parametrize("shape", [(-1,), (2, -1), (4, 15, 2), (2, 3, 2, 2, 5), (1, 120, 1), (6, 5, 4)])
def test_reshape_of_any_strides(shape):
    for view in (X, X.T, X.transpose(0, 2, 1, 3), X[::-1, :, ::-1]):
        np.testing.assert_array_equal(ops.reshape(view, shape=shape), view.reshape(shape))


def test_reshape_that_only_splits_axes_makes_a_view():
    x = np.ones((6, 8, 10))[:, :, :6]
    for shape in [(6, 8, 2, 3), (2, 3, 1, 8, -1), (6, 2, 4, 6, 1), (1, 6, 8, 6)]:
        assert np.shares_memory(ops.reshape(x, shape=shape), x)
    for wrong in [(6, 8, 7), (0, 6), (-1, 0), (-1, 5)]:
        with pytest.raises(ValueError):
            ops.reshape(x, shape=wrong)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concatenate_is_numpys(axis):
    for kinds in [("f4", "f4", "f4"), ("f8", "f8", "f8"), ("f4", "f8", "f4"), ("i4", "i4", "i4")]:
        xs = []
        for size, kind in zip((3, 0, 7), kinds):
            shape = [2, 5, 6]
            shape[axis] = size
            xs.append(np.arange(int(np.prod(shape)), dtype=kind).reshape(shape))
        for given in (xs, [x.transpose().copy().transpose() for x in xs]):
            y, wanted = ops.concatenate(*given, axis=axis), np.concatenate(given, axis=axis)
            assert y.dtype == wanted.dtype
            np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("shapes, axis", [([(2, 3), (3, 3)], 1), ([(2, 3), (2, 3, 1)], 0), ([(2, 3)], 2), ([()], 0), ([], 0)])
def test_concatenate_refuses_what_numpy_refuses(shapes, axis):
    with pytest.raises(ValueError) as wanted:
        np.concatenate([np.ones(shape) for shape in shapes], axis=axis)
    with pytest.raises(ValueError) as raised:
        ops.concatenate(*[np.ones(shape) for shape in shapes], axis=axis)
    assert str(raised.value) == str(wanted.value)
