"""Subclasses of Keras's private base classes, as scripts write them. Such programs gave the same numbers with the real Keras 2.2.5."""

import numpy as np
import pytest
from lamella.layers.convolutional import _Conv, _Cropping, _SeparableConv, _UpSampling, _ZeroPadding
from lamella.layers.cudnn_recurrent import _CuDNNRNN

from lamella import backend as K
from lamella import layers
from lamella.layers import AveragePooling1D, Conv2D, Input, MaxPooling2D
from lamella.layers.merge import _Merge
from lamella.layers.pooling import _Pooling2D
from lamella.models import Model, Sequential

X = np.arange(64).reshape(2, 4, 4, 2).astype("f4") / 10

RELATIONS = {
    _Conv: "Conv1D Conv2D Conv3D Conv2DTranspose Conv3DTranspose SeparableConv1D SeparableConv2D DepthwiseConv2D",
    _SeparableConv: "SeparableConv1D SeparableConv2D",
    _UpSampling: "UpSampling1D UpSampling2D UpSampling3D",
    _ZeroPadding: "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    _Cropping: "Cropping1D Cropping2D Cropping3D",
    _CuDNNRNN: "CuDNNGRU CuDNNLSTM",
    _Merge: "Add Subtract Multiply Average Maximum Minimum Concatenate Dot",
    _Pooling2D: "MaxPooling2D AveragePooling2D",
}


@pytest.mark.parametrize("base", RELATIONS)
def test_classes_are_kinds_of_their_bases(base):
    assert all(issubclass(getattr(layers, name), base) for name in RELATIONS[base].split())
    assert not issubclass(layers.Dense, base)


class Scaled(_Conv):
    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(rank=2, filters=filters, kernel_size=kernel_size, **kwargs)

    def build(self, input_shape):
        super().build(input_shape)
        self.gain = self.add_weight(shape=(self.filters,), initializer="ones", name="gain")

    def call(self, inputs):
        y = K.conv2d(inputs, self.kernel * self.gain, strides=self.strides, padding=self.padding, data_format=self.data_format)
        return self.activation(K.bias_add(y, self.bias, data_format=self.data_format))

    def get_config(self):
        config = super().get_config()
        config.pop("rank")
        return config


def test_a_subclass_of_conv_with_its_own_build_and_call():
    layer = Scaled(3, 2, strides=2, padding="same", kernel_initializer="ones")
    x = Input((4, 4, 2))
    model = Model(x, layer(x))
    assert model.output_shape == (None, 2, 2, 3)
    sums = X.reshape(2, 2, 2, 2, 2, 2).sum((2, 4, 5))
    np.testing.assert_allclose(model.predict(X), np.repeat(sums[..., None], 3, -1), rtol=1e-5)
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, np.zeros((2, 2, 2, 3))) == pytest.approx(np.mean(sums.astype("f8") ** 2), rel=1e-5)
    copy = Scaled.from_config(layer.get_config())
    assert (copy.rank, copy.filters, copy.strides, copy.padding) == (2, 3, (2, 2), "same")


@pytest.mark.parametrize(("rank", "padding", "shape", "corner"), [(1, "causal", (5, 3), 2), (2, "valid", (4, 4, 3), 8)])
def test_conv_itself_takes_the_rank_first(rank, padding, shape, corner):
    layer = _Conv(rank, 3, 2, padding=padding, kernel_initializer="ones")
    assert layer.input_spec.ndim == rank + 2
    y = layer(Input((5, 2) if rank == 1 else (5, 5, 2)))
    assert y.shape[1:] == shape
    values = _Conv.from_config(layer.get_config())(np.ones((1, *y._keras_history[0].get_input_shape_at(0)[1:]), "f4"))
    assert values[(0,) * (rank + 2)] == corner and values.max() == 2 ** (rank + 1)
    assert "rank" in layer.get_config() and "rank" not in Conv2D(3, 2).get_config()


class Norm(_Pooling2D):
    def __init__(self, pool_size=(2, 2), strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def _pooling_function(self, inputs, pool_size, strides, padding, data_format):
        return K.sqrt(K.pool2d(K.square(inputs), pool_size, strides, padding, data_format, pool_mode="avg"))


class Sum(MaxPooling2D):
    def _pooling_function(self, inputs, pool_size, strides, padding, data_format):
        largest = super()._pooling_function(inputs, pool_size, strides, padding, data_format)
        return 2 * largest + K.pool2d(inputs, pool_size, strides, padding, data_format, pool_mode="avg")


class Twice(AveragePooling1D):
    def _pooling_function(self, inputs, pool_size, strides, padding, data_format):
        return 2 * super()._pooling_function(inputs, pool_size, strides, padding, data_format)


def test_pooling_functions_of_subclasses():
    windows = X.reshape(2, 2, 2, 2, 2, 2)
    run = [
        Sequential([layer]) for layer in (Norm(input_shape=(4, 4, 2)), Sum(input_shape=(4, 4, 2)), Twice(2, input_shape=(4, 2)))
    ]
    np.testing.assert_allclose(run[0].predict(X), np.sqrt((windows**2).mean((2, 4))), rtol=1e-5)
    np.testing.assert_allclose(run[1].predict(X), 2 * windows.max((2, 4)) + windows.mean((2, 4)), rtol=1e-5)
    np.testing.assert_allclose(run[2].predict(X[:, 0]), X[:, 0].reshape(2, 2, 2, 2).sum(2), rtol=1e-5)
    behind = Sequential([Conv2D(2, 1, kernel_initializer="ones", activation="relu", input_shape=(4, 4, 2)), Sum()])
    sums = windows.sum(-1, keepdims=True)
    expected = np.repeat(2 * sums.max((2, 4)) + sums.mean((2, 4)), 2, -1)
    np.testing.assert_allclose(behind.predict(X), expected, rtol=1e-5)


def merged(base):
    class Merged(base):
        def _merge_function(self, inputs):
            return 10 * super()._merge_function(inputs) + 1

    return Merged


@pytest.mark.parametrize(
    ("base", "arguments", "expected"),
    [
        (layers.Add, {}, [21, 41]), (layers.Subtract, {}, [-39, -39]), (layers.Multiply, {}, [-29, 1]),
        (layers.Average, {}, [11, 21]), (layers.Maximum, {}, [31, 41]), (layers.Minimum, {}, [-9, 1]),
        (layers.Concatenate, {}, [-9, 1, 31, 41]), (layers.Dot, {"axes": 1}, [-29]),
    ],
)  # fmt: skip
def test_merge_functions_of_subclasses(base, arguments, expected):
    a, b = Input((2,)), Input((2,))
    model = Model([a, b], merged(base)(**arguments)([a, b]))
    np.testing.assert_allclose(model.predict([np.array([[-1.0, 0.0]]), np.array([[3.0, 4.0]])]), [expected], rtol=1e-6)


def test_a_merge_function_of_broadcast_inputs():
    class Difference(_Merge):
        def _merge_function(self, inputs):
            return inputs[0] - 2 * inputs[1]

    for shape in ((1, 3), (3,)):
        a, b = Input((2, 3)), Input(shape)
        y = Difference()([a, b])
        assert y.shape == (None, 2, 3)
        values = Model([a, b], y).predict([np.ones((2, 2, 3)), np.full((2, *shape), 3.0)])
        np.testing.assert_array_equal(values, np.full((2, 2, 3), -5.0))
