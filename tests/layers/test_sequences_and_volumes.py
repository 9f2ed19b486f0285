"""Convolution and pooling on one and three axes compared with the oracles, in both data formats; masks; errors."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.core.window import Window
from lamella.layers import (
    AveragePooling1D,
    AveragePooling3D,
    Conv1D,
    Conv3D,
    Dense,
    GlobalAveragePooling1D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling3D,
    Input,
    Masking,
    MaxPooling1D,
    MaxPooling3D,
)
from lamella.models import Model, Sequential
from lamella.optimizers import Adam
from tests.oracles import conv as conv_oracle
from tests.oracles import pool as pool_oracle

RNG = np.random.default_rng(0)
STEPS, VOLUMES = RNG.normal(size=(3, 11, 4)), RNG.normal(size=(2, 6, 5, 7, 3))


def first(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


@pytest.mark.parametrize(
    "layer, x",
    [
        (Conv1D(5, 3, bias_initializer="random_normal"), STEPS),
        (Conv1D(5, 4, strides=3, padding="same", bias_initializer="random_normal"), STEPS),
        (Conv1D(2, 3, padding="causal", dilation_rate=2, bias_initializer="random_normal"), STEPS),
        (Conv1D(2, 2, strides=2, dilation_rate=3, bias_initializer="random_normal"), STEPS),
        (Conv3D(4, (2, 3, 2), bias_initializer="random_normal"), VOLUMES),
        (Conv3D(4, 3, strides=(2, 1, 2), padding="same", bias_initializer="random_normal"), VOLUMES),
        (Conv3D(2, 2, dilation_rate=(3, 2, 1), bias_initializer="random_normal"), VOLUMES),
    ],
)
def test_convolution_equals_the_loop_over_taps(layer, x, float64):
    y = layer(x)
    window = Window(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    _, strides, dilation, before = window.geometry(x.shape[1:-1])
    kernel, bias = layer.get_weights()
    wanted = conv_oracle.forward(x, kernel, bias, 0, y.shape, strides, dilation, before)
    np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)
    if layer.padding == "causal":
        moved = x.copy()
        moved[:, 6:] += 1
        np.testing.assert_array_equal(layer(moved)[:, :6], y[:, :6])
        return
    again = type(layer).from_config(layer.get_config() | {"data_format": "channels_first"})
    again.build((None, x.shape[-1], *x.shape[1:-1]))
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(again(first(x)), first(wanted), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "layer, x",
    [
        (MaxPooling1D(), STEPS),
        (MaxPooling1D(3, 2, "same"), STEPS),
        (AveragePooling1D(4, 1, "same"), STEPS),
        (MaxPooling3D((2, 3, 2), (2, 1, 3), "same"), VOLUMES),
        (AveragePooling3D(), VOLUMES),
        (AveragePooling3D(3, (1, 2, 2), "same"), VOLUMES),
    ],
)
def test_pooling_equals_the_loop_over_windows(layer, x, float64):
    y = layer(x)
    size, strides, _, before = Window.over(layer.pool_size, layer.strides, None, layer.padding).geometry(x.shape[1:-1])
    pool = pool_oracle.max_pool if "Max" in type(layer).__name__ else pool_oracle.avg_pool
    wanted, *_ = pool(x, y.shape, size, strides, before)
    np.testing.assert_allclose(y, wanted, rtol=1e-12)
    again = type(layer).from_config(layer.get_config() | {"data_format": "channels_first"})
    np.testing.assert_allclose(again(first(x)), first(wanted), rtol=1e-12)


def test_a_maximum_over_a_long_text():
    x = RNG.normal(size=(2, 398, 5)).astype("float32")
    np.testing.assert_array_equal(MaxPooling1D(398)(x), x.max(1, keepdims=True))
    np.testing.assert_array_equal(MaxPooling1D(300, strides=98)(x), np.stack([x[:, :300].max(1), x[:, 98:].max(1)], axis=1))


@pytest.mark.parametrize("axes, x", [(1, STEPS), (3, VOLUMES)])
def test_global_pooling(axes, x, float64):
    between = tuple(range(1, 1 + axes))
    average, maximum = (
        (GlobalAveragePooling1D, GlobalMaxPooling1D) if axes == 1 else (GlobalAveragePooling3D, GlobalMaxPooling3D)
    )
    np.testing.assert_allclose(average()(x), x.mean(between), rtol=1e-12)
    np.testing.assert_array_equal(maximum()(x), x.max(between))
    np.testing.assert_allclose(average(data_format="channels_first")(first(x)), x.mean(between), rtol=1e-12)
    np.testing.assert_array_equal(maximum(data_format="channels_first")(first(x)), x.max(between))


def test_the_mean_over_steps_ignores_masked_steps(float64):
    mask = np.arange(11) < np.array([[3], [11], [0]])
    wanted = [STEPS[0, :3].mean(0), STEPS[1].mean(0)]
    for layer, x in ((GlobalAveragePooling1D(), STEPS), (GlobalAveragePooling1D("channels_first"), first(STEPS))):
        y = layer(x, mask=mask)
        np.testing.assert_allclose(y[:2], wanted, rtol=1e-12)
        assert np.isnan(y[2]).all()
        assert layer.compute_mask(x, mask) is None


@pytest.mark.parametrize("shape", [(2, 5), (1, 4), (2, 1), (4,), (2, 4, 1)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_mask_of_another_shape_raises_with_the_layers_name(shape, data_format):
    x = np.ones((2, 4, 3) if data_format == "channels_last" else (2, 3, 4), "float32")
    with pytest.raises(ValueError, match=r"Layer mine: expected a mask of shape \(2, 4\), \(samples, steps\), got"):
        GlobalAveragePooling1D(data_format, name="mine")(x, mask=np.ones(shape, bool))


def test_the_mean_uses_the_mask_of_a_graph():
    x = np.ones((2, 4, 3), "float32")
    x[0, 2:] = 0
    x[1, 1] = 5
    inputs = Input((4, 3))
    model = Model(inputs, GlobalAveragePooling1D()(Masking()(inputs)))
    np.testing.assert_array_equal(model.predict(x), [[1, 1, 1], [2, 2, 2]])
    with pytest.raises(TypeError, match="does not support masking"):
        Model(inputs, GlobalMaxPooling1D()(Masking()(inputs))).predict(x)


def test_a_text_classifier_of_windows_learns():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 20, 4)).astype("float32")
    x[:100, 7:10, 0] += 3  # the first class has higher values somewhere
    y = (np.arange(200) < 100).astype("float32")
    model = Sequential(
        [Conv1D(8, 3, activation="relu", input_shape=(20, 4)), GlobalMaxPooling1D(), Dense(1, activation="sigmoid")]
    )
    model.compile(Adam(lr=0.02), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=15, verbose=0, batch_size=20)
    assert history.history["acc"][-1] > 0.9


def test_configs_have_sizes_as_tuples():
    config = Conv1D(2, 3).get_config()
    assert (config["kernel_size"], config["strides"], config["dilation_rate"]) == ((3,), (1,), (1,))
    assert config["data_format"] == "channels_last"
    assert MaxPooling1D(3).get_config()["strides"] == (3,)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Conv1D(2, 3, padding="causal", data_format="channels_first"), 'When using causal padding in `Conv1D`, `data_format` must be "channels_last"'),
        (lambda: Conv3D(2, 3, padding="causal"), 'must be one of "valid", "same"'),
        (lambda: Conv1D(2, 3)(Input((5, None))), "channel dimension of the inputs should be defined"),
        (lambda: Conv1D(2, 3)(Input((5, 4, 3))), "ndim=3"),
        (lambda: Conv3D(2, 3)(Input((5, 2, 4, 3))), "larger than the input"),
        (lambda: MaxPooling3D(3)(Input((5, 2, 4, 3))), "larger than the input"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_keras_1_calls_are_accepted():
    with pytest.warns(UserWarning, match=r"Update your `Conv1D` call to the Keras 2 API: `Conv1D\("):
        layer = Conv1D(nb_filter=4, filter_length=3, subsample_length=2, border_mode="same", input_dim=5, input_length=7)
    assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (4, (3,), (2,), "same")
    assert layer.batch_input_shape == (None, 7, 5)
    with pytest.warns(UserWarning, match=r"`Conv3D\(4, \(3, 2, 1\)\)`"):
        assert Conv3D(4, 3, 2, 1).kernel_size == (3, 2, 1)
    with pytest.warns(UserWarning):
        assert Conv3D(4, kernel_dim1=3, kernel_dim2=2, kernel_dim3=1).kernel_size == (3, 2, 1)
    with pytest.warns(UserWarning):
        pooled = MaxPooling1D(pool_length=3, stride=2)
    assert (pooled.pool_size, pooled.strides) == ((3,), (2,))


@pytest.mark.parametrize(("size", "kernel", "strides"), [((6, 4, 5), (2, 1, 1), (1, 4, 1)), ((5, 3, 2), (3, 1, 2), (4, 4, 2))])
def test_same_padding_with_strides_above_the_kernel_leaves_out_no_first_place(size, kernel, strides):
    """By the formula of "same": no padding is negative. TensorFlow's conv3d differs from it, its conv2d does not."""
    random = np.random.RandomState(0)
    x, w = random.randn(2, *size, 2), random.randn(*kernel, 2, 3)
    counts = [-(-n // s) for n, s in zip(size, strides)]
    padding = [max((c - 1) * s + k - n, 0) for c, s, k, n in zip(counts, strides, kernel, size)]
    padded = np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in padding), (0, 0)])
    expected = np.zeros((2, *counts, 3))
    for place in np.ndindex(*counts):
        ends = [slice(i * s, i * s + k) for i, s, k in zip(place, strides, kernel)]
        expected[(slice(None), *place)] = np.tensordot(padded[(slice(None), *ends)], w, 4)
    y = K.eval(K.conv3d(K.constant(x), K.constant(w), strides=strides, padding="same", data_format="channels_last"))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
