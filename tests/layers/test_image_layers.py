"""Convolution and pooling layers compared with slow loops, and channels_first compared with channels_last."""

import numpy as np
import pytest

from lamella.core.shapes import pad_amounts, window_length
from lamella.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
)

RNG = np.random.default_rng(0)


def windows(x, size, strides, padding, dilation=(1, 1), fill=0.0):
    """[N, P, Q, kh, kw, C]: every window, copied out one by one."""
    n, h, w, c = x.shape
    pads = [pad_amounts(s, k, st, padding, d) for s, k, st, d in zip((h, w), size, strides, dilation)]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    p, q = (window_length(s, k, st, padding, d) for s, k, st, d in zip((h, w), size, strides, dilation))
    out = np.empty((n, p, q, *size, c), x.dtype)
    for i in range(p):
        for j in range(q):
            rows = i * strides[0] + np.arange(size[0]) * dilation[0]
            columns = j * strides[1] + np.arange(size[1]) * dilation[1]
            out[:, i, j] = padded[:, rows][:, :, columns]
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        dict(kernel_size=3),
        dict(kernel_size=(2, 3), strides=(2, 1)),
        dict(kernel_size=3, strides=2, padding="same"),
        dict(kernel_size=(3, 2), dilation_rate=(2, 3)),
        dict(kernel_size=1),
    ],
)
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_conv2d(arguments, activation, float64):
    x = RNG.normal(size=(2, 8, 7, 3))
    layer = Conv2D(4, activation=activation, bias_initializer="random_normal", **arguments)
    y = layer(x)
    patches = windows(x, layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
    expected = np.einsum("npqijc,ijck->npqk", patches, layer.kernel.value) + layer.bias.value
    expected = {"linear": expected, "relu": np.maximum(expected, 0), "tanh": np.tanh(expected)}[activation]
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "arguments", [dict(), dict(pool_size=3, strides=2, padding="same"), dict(pool_size=(2, 3), strides=(1, 2))]
)
def test_pooling(arguments, float64):
    x = RNG.normal(size=(2, 8, 7, 3)) - 5  # below zero, so that a zero of the padding would be the maximum
    layer = MaxPooling2D(**arguments)
    size, strides, padding = layer.pool_size, layer.strides, layer.padding
    expected = windows(x, size, strides, padding, fill=-np.inf).max((3, 4))
    np.testing.assert_array_equal(layer(x), expected)
    counts = windows(np.ones_like(x), size, strides, padding).sum((3, 4))
    expected = windows(x, size, strides, padding).sum((3, 4)) / counts
    np.testing.assert_allclose(AveragePooling2D(**arguments)(x), expected, rtol=1e-12)


def test_global_pooling(float64):
    x = RNG.normal(size=(2, 8, 7, 3))
    np.testing.assert_allclose(GlobalAveragePooling2D()(x), x.mean((1, 2)), rtol=1e-12)
    np.testing.assert_array_equal(GlobalMaxPooling2D()(x), x.max((1, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda f: Conv2D(4, (2, 3), strides=2, padding="same", activation="relu", data_format=f),
        lambda f: Conv2D(4, 3, dilation_rate=2, data_format=f),
        lambda f: MaxPooling2D(3, 2, "same", data_format=f),
        lambda f: AveragePooling2D((2, 1), data_format=f),
    ],
)
def test_channels_first_is_channels_last_transposed(make):
    x = RNG.normal(size=(2, 8, 7, 3)).astype("float32")
    last, first = make("channels_last"), make("channels_first")
    y = last(x)
    first.build((None, 3, 8, 7))
    first.set_weights(last.get_weights())  # kernels are HWIO in both formats
    z = first(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(z.transpose(0, 2, 3, 1), y)
    assert first.compute_output_shape((None, 3, 8, 7)) == (None, *z.shape[1:])
    assert first(Input((3, 8, 7))).shape == (None, *z.shape[1:])


@pytest.mark.parametrize("layer", [GlobalAveragePooling2D, GlobalMaxPooling2D, Flatten])
def test_channels_first_into_vectors(layer):
    x = RNG.normal(size=(2, 8, 7, 3)).astype("float32")
    first = layer(data_format="channels_first")(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(first, layer()(x))


def test_the_default_data_format_is_read_in_the_constructor():
    from lamella.core import config

    config.set_image_data_format("channels_first")
    layer = Conv2D(1, 1)
    config.set_image_data_format("channels_last")
    assert layer.data_format == "channels_first" and Conv2D(1, 1).data_format == "channels_last"


def oracle_batch_norm(x, gamma, beta, eps, axis):
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    mean, var = x.mean(others, keepdims=True), x.var(others, keepdims=True)
    shape = [1] * x.ndim
    shape[axis] = -1
    return (x - mean) / np.sqrt(var + eps) * gamma.reshape(shape) + beta.reshape(shape), mean.ravel(), var.ravel()


@pytest.mark.parametrize(
    "shape, axis", [((5, 4), -1), ((5, 6, 7, 3), -1), ((5, 3, 6, 7), 1), ((5, 3, 6, 7), 2), ((5, 6, 3), 1)]
)
def test_batch_normalization(shape, axis, float64):
    x = RNG.normal(2.0, 3.0, size=shape)
    layer = BatchNormalization(axis=axis, momentum=0.9, gamma_initializer="random_normal", beta_initializer="random_normal")
    y = layer(x, training=True)
    gamma, beta, moving_mean, moving_variance = layer.get_weights()
    expected, mean, var = oracle_batch_norm(x, gamma, beta, 1e-3, axis)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-11)
    n = x.size / mean.size
    np.testing.assert_allclose(moving_mean, 0.1 * mean, rtol=1e-12)
    np.testing.assert_allclose(moving_variance, 0.9 + 0.1 * var * n / (n - 1.001), rtol=1e-12)
    assert [w.name.split("/")[1] for w in layer.weights] == ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]

    stats = [layer.moving_mean.numpy(), layer.moving_variance.numpy()]
    swapped = np.moveaxis(x, axis, -1)
    expected = np.moveaxis((swapped - stats[0]) / np.sqrt(stats[1] + 1e-3) * gamma + beta, -1, axis)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(layer.moving_mean.value, stats[0])  # inference does not change the statistics


def test_batch_normalization_of_one_sample_is_finite():
    layer = BatchNormalization()
    y = layer(np.ones((1, 3), np.float32), training=True)
    assert np.isfinite(y).all() and all(np.isfinite(w).all() for w in layer.get_weights())


def test_frozen_batch_normalization_uses_the_moving_statistics():
    from lamella.core import config

    x = RNG.normal(2.0, 3.0, size=(20, 3)).astype("float32")
    layer = BatchNormalization()
    layer.build((None, 3))
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1.001), rtol=1e-5)
    config.set_legacy_frozen_batch_norm(True)
    np.testing.assert_allclose(layer(x, training=True).mean(0), 0, atol=1e-5)
    for a, b in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(a, b)
