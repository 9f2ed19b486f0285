"""LocallyConnected1D and 2D, and the functions of K for them: formats, configs and errors."""

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.core import config
from lamella.models import Model, Sequential
from tests.oracles.local import local_conv

draw = np.random.default_rng(0).standard_normal


def with_numbers(layer, x):
    layer(x)
    layer.set_weights([draw(w.shape) for w in layer.weights])
    return layer.get_weights()


def test_each_place_has_its_own_weights():
    layer, x = layers.LocallyConnected2D(4, (2, 3), strides=(2, 1)), draw((3, 6, 5, 2)).astype("float32")
    kernel, bias = with_numbers(layer, x)
    assert kernel.shape == (3 * 3, 2 * 3 * 2, 4) and bias.shape == (3, 3, 4)
    assert layer.compute_output_shape((None, 6, 5, 2)) == (None, 3, 3, 4)
    np.testing.assert_allclose(layer(x), local_conv(x, kernel, (2, 3), (2, 1)) + bias, rtol=1e-5, atol=1e-5)


def test_channels_first_reads_windows_and_bias_as_keras_does():
    layer, x = layers.LocallyConnected2D(3, 2, data_format="channels_first"), draw((2, 4, 3, 5)).astype("float32")
    kernel, bias = with_numbers(layer, x)
    assert kernel.shape == (2 * 4, 4 * 2 * 2, 3) and bias.shape == (2, 4, 3)
    wanted = np.moveaxis(local_conv(np.moveaxis(x, 1, -1), kernel, (2, 2), (1, 1), True), -1, 1) + bias.reshape(3, 2, 4)
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-5, atol=1e-5)


def test_the_fan_of_initializers_includes_all_places():
    """As in Keras, the fan of glorot is counted over all places."""
    layer = layers.LocallyConnected1D(50, 3)
    layer.build((None, 22, 4))
    (kernel, _) = layer.get_weights()
    limit = (6 / (20 * 12 + 20 * 50)) ** 0.5
    assert 0.9 * limit < np.abs(kernel).max() <= limit


def test_a_model_trains_and_is_rebuilt_from_its_config():
    x = draw((64, 6, 2)).astype("float32")
    y = (x[:, :1] * x[:, :1]).sum(axis=(1, 2))[:, None]
    model = Sequential(
        [layers.LocallyConnected1D(8, 2, activation="tanh", input_shape=(6, 2)), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=60, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_steps_are_always_channels_last():
    config.set_image_data_format("channels_first")
    try:
        layer = layers.LocallyConnected1D(3, 2)
        assert layer.data_format == "channels_last"
        assert layer.compute_output_shape((None, 7, 4)) == (None, 6, 3)
        assert K.local_conv1d(np.ones((2, 7, 4)), np.ones((6, 8, 3)), (2,), (1,)).shape == (2, 6, 3)
    finally:
        config.set_image_data_format("channels_last")


def test_functions_make_nodes():
    x = layers.Input((5, 5, 2))
    y = K.depthwise_conv2d(x, np.ones((3, 3, 2, 2), "float32"), padding="same")
    z = K.local_conv2d(y, np.ones((16, 16, 3), "float32"), (2, 2), (1, 1), (4, 4))
    model = Model(x, z)
    assert model.output_shape == (None, 4, 4, 3)
    assert model.predict(np.ones((2, 5, 5, 2), "float32"))[0, 1, 1, 0] == 9 * 16


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.LocallyConnected1D(3, 2, padding="same"), r'Invalid border mode for LocallyConnected1D \(only "valid" is supported\): same'),
        (lambda: layers.LocallyConnected2D(3, 2, padding="causal"), r'Invalid border mode for LocallyConnected2D \(only "valid" is supported\): causal'),
        (lambda: layers.LocallyConnected1D(3, 2, data_format="channels_first"), 'expected data_format to be "channels_last"'),
        (lambda: layers.LocallyConnected2D(3, 2)(layers.Input((None, 5, 2))), r"spatial dimensions of the inputs to  a LocallyConnected2D layer should be fully-defined"),
        (lambda: layers.LocallyConnected1D(3, 2)(layers.Input((None, 2))), r"LocallyConnected1D layer should be fully-defined"),
        (lambda: layers.LocallyConnected1D(3, 2)(layers.Input((5, None))), "channel dimension of the inputs should be defined"),
        (lambda: layers.LocallyConnected2D(3, 6)(layers.Input((5, 5, 2))), "is larger than the input"),
        (lambda: K.local_conv1d(np.ones((2, 7, 4)), np.ones((5, 8, 3)), (2,), (1,)), r"expected a kernel \[6, 8, F\].*got shape \(5, 8, 3\)"),
        (lambda: K.local_conv2d(np.ones((2, 4, 4, 1)), np.ones((9, 4, 3)), (2, 2), (1, 1), (4, 3)), r"K.local_conv2d: expected output_shape \(3, 3\), got \(4, 3\)"),
        (lambda: K.local_conv1d(np.ones((2, 7, 4)), np.ones((6, 8, 3)), (2,), (1,), "channels_first"), 'expected data_format to be "channels_last"'),
        (lambda: K.depthwise_conv2d(np.ones((2, 4, 4, 3)), np.ones((2, 2, 2, 1))), r"expected \[N, H, W, 2\], got shape \(2, 4, 4, 3\)"),
        (lambda: K.depthwise_conv2d(np.ones((2, 4, 4, 3)), np.ones((2, 2, 3))), "expected kernels of 4 axes"),
        (lambda: K.separable_conv1d(np.ones((2, 4, 3)), np.ones((2, 3, 1)), np.ones((1, 3, 4)), padding="causal"), "Invalid padding: causal"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
