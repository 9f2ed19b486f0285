"""Activations that scripts wrote, in every layer that calls one: predict must compute what a training step computes."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import (
    GRU,
    LSTM,
    Activation,
    Conv1D,
    Conv2DTranspose,
    ConvLSTM2D,
    Dense,
    Highway,
    Input,
    LocallyConnected1D,
    SeparableConv2D,
    SimpleRNN,
)
from lamella.models import Model


def gelu(x):
    """As BERT's scripts have it; np.sqrt gives a float64."""
    return 0.5 * x * (1 + K.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * K.pow(x, 3))))


def in_place(x):
    x *= K.sigmoid(x)
    return x


LAYERS = {
    "activation": (lambda f: Activation(f), (4,)),
    "dense": (lambda f: Dense(3, activation=f), (4,)),
    "dense with a layer": (lambda f: Dense(3, activation=Activation(f)), (4,)),
    "highway": (lambda f: Highway(activation=f), (4,)),
    "conv1d": (lambda f: Conv1D(3, 2, activation=f), (5, 4)),
    "locally connected": (lambda f: LocallyConnected1D(3, 2, activation=f), (5, 4)),
    "transpose": (lambda f: Conv2DTranspose(3, 2, activation=f), (5, 4, 2)),
    "separable": (lambda f: SeparableConv2D(3, 2, activation=f), (5, 4, 2)),
    "simple_rnn": (lambda f: SimpleRNN(3, activation=f), (5, 4)),
    "gru": (lambda f: GRU(3, activation=f, recurrent_activation=f), (5, 4)),
    "lstm": (lambda f: LSTM(3, activation=f, recurrent_activation=f), (5, 4)),
    "conv_lstm": (lambda f: ConvLSTM2D(3, 2, activation=f), (2, 5, 4, 2)),
}


@pytest.mark.filterwarnings("ignore:the layer activation")
@pytest.mark.filterwarnings("ignore:.*[Hh]ighway")
@pytest.mark.parametrize("function", [gelu, in_place])
@pytest.mark.parametrize("kind", LAYERS)
def test_predict_computes_what_a_step_computes(kind, function):
    make, shape = LAYERS[kind]
    x = Input(shape)
    y = make(function)(x)
    model = Model(x, [y, Activation("linear")(x)])
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype("f")
    kept = values.copy()
    found, unchanged = model.predict(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(values, kept)
    np.testing.assert_array_equal(unchanged, kept)
    model.compile("sgd", "mse")
    losses = model.train_on_batch(values, [found, kept])
    np.testing.assert_allclose(losses, 0, atol=1e-9)


def test_gelu_in_a_layer_before_others():
    x = Input((4,))
    hidden = Dense(3, activation=gelu, kernel_initializer="ones")
    model = Model(x, Dense(2, kernel_initializer="ones")(hidden(x)))
    values = np.random.default_rng(1).normal(size=(5, 4)).astype("f")
    sums = values.astype("d").sum(1)
    each = 0.5 * sums * (1 + np.tanh(np.sqrt(2 / np.pi) * (sums + 0.044715 * sums**3)))
    np.testing.assert_allclose(model.predict(values), np.stack([3 * each] * 2, axis=1), rtol=1e-5, atol=1e-6)
