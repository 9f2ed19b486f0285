"""preprocess_weights_for_loading, which converters call for each layer."""

import numpy as np
import pytest
from lamella.engine.saving import preprocess_weights_for_loading

from lamella.layers import GRU, LSTM, Bidirectional, Conv2D, ConvLSTM2D, CuDNNLSTM, Dense, TimeDistributed
from lamella.models import Sequential


def some(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def built(layer, *shape):
    layer(np.zeros((2, *shape), "float32"))
    return layer


def same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "order"), [(GRU, [0, 1, 2]), (LSTM, [0, 2, 1, 3])])
def test_gates_of_keras_1_are_joined(kind, order):
    """Keras 1 had W, U, b for each gate: z, r, h, or i, c, f, o."""
    old = [some(*shape, seed=seed) for seed in range(len(order)) for shape in ((4, 2), (2, 2), (2,))]
    found = preprocess_weights_for_loading(built(kind(2), 3, 4), old, "1")
    same(found, [np.concatenate([old[3 * gate + i] for gate in order], -1) for i in range(3)])
    same(preprocess_weights_for_loading(built(Bidirectional(kind(2)), 3, 4), old + old, "1"), found + found)
    same(preprocess_weights_for_loading(built(TimeDistributed(kind(2)), 2, 3, 4), old, "1"), found)


def test_convolutional_gates_of_keras_1():
    for data_format, shape in (("channels_last", (3, 2, 4, 2)), ("channels_first", (2, 4, 3, 2))):
        old = [some(*size, seed=seed) for seed in range(4) for size in (shape, shape, (2,))]
        sizes = (2, 4, 5, 4) if data_format == "channels_last" else (2, 4, 4, 5)
        layer = built(ConvLSTM2D(2, (3, 2), data_format=data_format), *sizes)
        kernel, _, bias = preprocess_weights_for_loading(layer, old, "1")
        first = old[6] if data_format == "channels_last" else old[6].transpose(2, 3, 1, 0)
        assert kernel.shape == layer.weights[0].shape
        np.testing.assert_array_equal(kernel[..., 2:4], first)
        np.testing.assert_array_equal(bias[2:4], old[8])


def test_kernels_of_convolutions():
    layer = built(Conv2D(5, (3, 2)), 6, 6, 4)
    kernel, bias = some(3, 2, 4, 5), some(5)
    same(preprocess_weights_for_loading(layer, [kernel, bias], "2.1", "theano"), [kernel[::-1, ::-1], bias])
    same(preprocess_weights_for_loading(layer, [kernel, bias], "2.1", "tensorflow"), [kernel, bias])
    same(
        preprocess_weights_for_loading(layer, [kernel.transpose(3, 2, 0, 1), bias]),
        [kernel.transpose(3, 2, 0, 1).transpose(3, 2, 0, 1), bias],
    )
    same(preprocess_weights_for_loading(layer, [kernel.reshape(6, 4, 5, 1), bias], reshape=True), [kernel, bias])
    with pytest.raises(ValueError, match="Weights must be of equal size to apply a reshape operation."):
        preprocess_weights_for_loading(layer, [kernel[:2], bias], reshape=True)
    first = built(Conv2D(5, (3, 2), data_format="channels_first"), 4, 6, 6)
    same(preprocess_weights_for_loading(first, [kernel.transpose(3, 2, 0, 1), bias], "1"), [kernel, bias])


def test_layers_of_models_and_inner_cudnn_layers():
    twin = built(CuDNNLSTM(2), 3, 4)
    inner = Sequential([Dense(4, input_shape=(3, 4)), LSTM(2), Dense(3)])
    inner.layers[0].trainable = False
    plain = preprocess_weights_for_loading(inner.layers[1], twin.get_weights())
    assert plain[2].shape == (8,)
    first, last = inner.layers[0].get_weights(), inner.layers[2].get_weights()
    found = preprocess_weights_for_loading(inner, [*twin.get_weights(), *last, *first])
    same(found, [*plain, *last, *first])
