"""Arrays with any strides in ops that copy them."""

import itertools

import numpy as np
import pytest

from lamella import layers, ops
from lamella.core.user_array import for_user
from lamella.ops.arrays import contiguous
from lamella.ops.tape import Tape, value_of

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
WIDE = (np.arange(40 * 30 * 7 * 50, dtype=np.float32) % 2039).reshape(
    40, 30, 7, 50
)  # kernels copy it, NumPy copies narrow ones
VIEWS = [
    WIDE.T, WIDE.transpose(0, 2, 1, 3), WIDE[:, ::2, 1:3, 5:45], WIDE[..., 3:6], WIDE[..., 3:7], WIDE[..., ::2], WIDE[::-1, 3:],
    WIDE.transpose(3, 0, 2, 1), WIDE[:, :5, 0, :4].T, WIDE[:3, 0, 0].T, WIDE[:2, 0].transpose(2, 1, 0), WIDE[:, :9, :2, :6].T,
    X, X.T, X.transpose(0, 2, 1, 3), X[:, ::2, 1:3], X[::-1, :, ::-1], np.broadcast_to(X[:, :1], X.shape), X[1, 2, 3, 4:],
]  # fmt: skip


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
    kinds_of_three = [("f4", "f4", "f4"), ("f8", "f8", "f8"), ("f4", "f8", "f4"), ("i4", "i4", "i4")]
    # NumPy joins small arrays, the kernel large ones.
    for kinds, (other, last) in itertools.product(kinds_of_three, [([2, 5, 6], 7), ([60, 70, 80], 70)]):
        xs = []
        for size, kind in zip((3, 0, last), kinds):
            shape = other.copy()
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


@pytest.mark.parametrize("shared", [None, [1], [2], [1, 2], [3], [1, 3], [1, 2, 3]])
def test_prelu_with_each_choice_of_shared_axes(shared):
    normal = np.random.default_rng(1).standard_normal
    layer = layers.PReLU(shared_axes=shared)
    layer.build((None, 3, 4, 5))
    x, dy, alpha = (normal(s).astype(np.float32) for s in ((2, 3, 4, 5), (2, 3, 4, 5), layer.alpha.shape))
    x[0, 0, 0, 0] = 0
    layer.set_weights([alpha])
    with Tape([layer.alpha]) as tape:
        given = tape.watch(x)
        y = layer.call(given)
    dalpha, dx = tape.gradients([(y, dy)])
    np.testing.assert_allclose(value_of(y), np.where(x > 0, x, alpha * x), rtol=1e-6)
    np.testing.assert_allclose(dx, np.where(x > 0, dy, np.where(x < 0, alpha * dy, 0)), rtol=1e-6)
    axes = (0, *(shared or ()))
    wanted = (dy * np.minimum(x, 0)).sum(axis=axes, keepdims=True)[0]
    assert dalpha.shape == wanted.shape
    np.testing.assert_allclose(dalpha, wanted, rtol=1e-5, atol=1e-5)


def test_prelu_refuses_slopes_of_other_axes():
    with pytest.raises(ValueError, match=r"prelu: expected alpha with the last axes of x \(2, 3\), got shape \(2, 1\)"):
        ops.prelu(np.ones((2, 3)), np.ones((2, 1)))
