"""correct_pad of keras_applications, which packages of networks use before convolutions of step 2."""

import numpy as np
import pytest

from lamella import applications
from lamella import backend as K
from lamella.applications import imagenet_utils
from lamella.layers import Conv2D, Input, ZeroPadding2D
from lamella.models import Model


@pytest.mark.parametrize("size, window, sides", [(8, 3, (0, 1)), (7, 3, (1, 1)), (8, 5, (1, 2)), (9, 5, (2, 2))])
def test_zeros_on_each_side(size, window, sides):
    x = Input((size, 7, 2))
    rows, columns = applications.correct_pad(K, x, window)
    assert rows == sides and columns == (window // 2, window // 2)
    assert imagenet_utils.correct_pad(K, x, (window, window)) == (rows, columns)


def test_it_pads_as_a_convolution_with_same():
    x = Input((8, 7, 2))
    y = Conv2D(3, 3, strides=2, use_bias=False)(ZeroPadding2D(applications.correct_pad(K, x, 3))(x))
    same = Conv2D(3, 3, strides=2, use_bias=False, padding="same")
    model = Model(x, [y, same(x)])
    same.set_weights(model.layers[-2].get_weights() if model.layers[-1] is same else model.layers[-1].get_weights())
    one, other = model.predict(np.random.default_rng(0).normal(size=(2, 8, 7, 2)))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
