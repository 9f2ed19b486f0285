"""K.batch_dot against np.tensordot of each sample, which is what Keras 2.2.5 computes for any number of axes."""

import itertools

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Input

SIZES = (3, 4, 5, 3, 4)  # so that several axes fit each other
RNG = np.random.RandomState(1)


def arrays(x_axes, y_axes):
    """Two batches of unlike sizes with these numbers of axes."""
    return RNG.normal(size=(2, *SIZES[: x_axes - 1])), RNG.normal(size=(2, *SIZES[::-1][: y_axes - 1]))


def by_samples(x, y, a, b):
    """The oracle: the sum over one axis of each sample."""
    found = np.stack([np.tensordot(of_x, of_y, axes=(a - 1, b - 1)) for of_x, of_y in zip(x, y)])
    return found[:, None] if found.ndim == 1 else found


@pytest.mark.parametrize("x_axes, y_axes", list(itertools.product(range(2, 6), repeat=2)))
def test_each_pair_of_axes(x_axes, y_axes):
    x, y = arrays(x_axes, y_axes)
    fits = [(a, b) for a in range(1, x_axes) for b in range(1, y_axes) if x.shape[a] == y.shape[b]]
    left, right = Input(batch_shape=x.shape), Input(batch_shape=y.shape)
    for a, b in fits:
        wanted = by_samples(x, y, a, b)
        for axes in ((a, b), [a, b], (a - x_axes, b), [a, b - y_axes], *([a] if a == b else [])):
            found = np.asarray(K.batch_dot(x, y, axes=axes))
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
        assert K.int_shape(K.batch_dot(left, right, axes=(a, b))) == wanted.shape
    for a, b in itertools.product(range(1, x_axes), range(1, y_axes)):
        if (a, b) not in fits:
            with pytest.raises(ValueError, match=rf"cannot sum axis {a} of .* with axis {b}"):
                K.batch_dot(x, y, axes=(a, b))


@pytest.mark.parametrize("x_axes, y_axes", list(itertools.product(range(2, 6), repeat=2)))
def test_without_axes_the_last_of_x_and_the_last_but_one_of_y(x_axes, y_axes):
    x = RNG.normal(size=(2, *SIZES[: x_axes - 2], 6))
    y = RNG.normal(size=(2, 6) if y_axes == 2 else (2, *SIZES[: y_axes - 3], 6, 3))
    wanted = by_samples(x, y, x_axes - 1, 1 if y_axes == 2 else y_axes - 2)
    np.testing.assert_allclose(K.batch_dot(x, y), wanted, rtol=1e-10, atol=1e-12)
    negative = -1 if y_axes == 2 else (-1, -2)
    np.testing.assert_allclose(K.batch_dot(x, y, axes=negative), wanted, rtol=1e-10, atol=1e-12)


def test_four_axes_with_four_are_not_a_matrix_product_of_each_entry():
    x, y = RNG.normal(size=(2, 5, 3, 4)), RNG.normal(size=(2, 5, 4, 6))
    found = np.asarray(K.batch_dot(x, y, axes=[3, 2]))
    assert found.shape == (2, 5, 3, 5, 6)
    np.testing.assert_allclose(found, np.einsum("nabk,nckd->nabcd", x, y), rtol=1e-10, atol=1e-12)
    function = K.function(tensors := [Input((5, 3, 4)), Input((5, 4, 6))], [K.batch_dot(*tensors, axes=[3, 2])])
    np.testing.assert_allclose(function([x, y])[0], found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [0, (0, 1), (1, 0), (-3, 1), (1,), (1, 1, 1), ([1], [1]), ((1, 2), (1, 2)), 3, (1, 3)])
def test_axes_that_keras_refuses(axes):
    x = RNG.normal(size=(2, 3, 3))
    with pytest.raises(ValueError, match="K.batch_dot: "):
        K.batch_dot(x, x, axes=axes)
