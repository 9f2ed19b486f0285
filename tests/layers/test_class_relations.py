"""Which layers of Keras 2.2.5 are kinds of others: scripts select layers of a model by isinstance."""

import numpy as np
import pytest

from lamella.layers import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from lamella.models import Sequential, model_from_json

KINDS = {Conv2DTranspose: Conv2D, DepthwiseConv2D: Conv2D, Conv3DTranspose: Conv3D}


@pytest.mark.parametrize("kind", [Conv1D, Conv2D, Conv3D])
def test_only_these_are_kinds_of_it(kind):
    others = {Conv1D, Conv2D, Conv3D, SeparableConv1D, SeparableConv2D, *KINDS} - {kind}
    assert {other for other in others if issubclass(other, kind)} == {other for other, base in KINDS.items() if base is kind}


def test_a_script_that_selects_convolutions():
    model = Sequential(
        [
            Conv2D(3, 3, padding="same", input_shape=(6, 6, 2)),
            DepthwiseConv2D(3, depth_multiplier=2),
            SeparableConv2D(4, 2),
            Conv2DTranspose(5, 2, strides=2),
        ]
    )
    found = [layer for layer in model.layers if isinstance(layer, Conv2D)]
    assert [layer.filters for layer in found] == [3, None, 5]
    assert [layer.get_weights()[0].shape for layer in found] == [(3, 3, 2, 3), (3, 3, 3, 2), (2, 2, 5, 4)]
    x = np.random.default_rng(1).normal(size=(2, 6, 6, 2)).astype("f4")
    copy = model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))


def test_a_depthwise_convolution_has_no_argument_of_conv2d_that_keras_leaves_out():
    with pytest.warns(UserWarning, match="kernel_initializer has no effect"):
        config = DepthwiseConv2D(3, kernel_initializer="ones").get_config()
    assert not {"filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint"} & set(config)
    with pytest.raises(TypeError, match="filters"):
        DepthwiseConv2D(3, filters=4)
