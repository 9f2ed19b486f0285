"""Custom layers with the old base classes Recurrent and ConvRecurrent2D of Keras 1 and early Keras 2."""

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Bidirectional, ConvRecurrent2D, Input, InputSpec, Masking, Recurrent, SimpleRNN
from lamella.models import Model, Sequential
from lamella.utils import CustomObjectScope

X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")


class Old(Recurrent):
    """SimpleRNN without bias, as a subclass of Recurrent."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        self.input_spec[0] = InputSpec(shape=(input_shape[0] if self.stateful else None, None, input_shape[2]))
        self.states = [None]
        if self.stateful:
            self.reset_states()
        self.kernel = self.add_weight(shape=(input_shape[2], self.units), name="kernel", initializer="glorot_uniform")
        self.inner = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel", initializer="orthogonal")
        self.built = True

    def preprocess_input(self, inputs, training=None):
        return K.dot(inputs, self.kernel)

    def get_constants(self, inputs, training=None):
        return [K.ones_like(inputs[:, 0, :1])]

    def step(self, inputs, states):
        previous, one = states
        h = K.tanh(one * inputs + K.dot(previous, self.inner))
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def both(**arguments):
    """Models of an old layer and of SimpleRNN, with the same weights."""
    shape = {"batch_input_shape": (4, 5, 3)} if arguments.get("stateful") else {"input_shape": (5, 3)}
    old = Sequential([Masking(**shape), Old(6, **arguments)])
    new = Sequential([Masking(**shape), SimpleRNN(6, use_bias=False, **arguments)])
    new.set_weights(old.get_weights())
    return old, new


@pytest.mark.parametrize(
    "arguments", [{}, {"return_sequences": True}, {"go_backwards": True}, {"unroll": True}, {"stateful": True}]
)
def test_outputs_and_training_are_those_of_simple_rnn(arguments):
    old, new = both(**arguments)
    x = X.copy()
    x[0, 2:4] = x[2, :2] = 0  # masked steps
    assert old.output_shape == new.output_shape
    for _ in range(2):  # a stateful layer continues
        np.testing.assert_allclose(old.predict(x, batch_size=4), new.predict(x, batch_size=4), rtol=1e-4, atol=1e-5)
    y = np.zeros_like(old.predict(x, batch_size=4))
    for model in (old, new):
        model.reset_states()
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_states_are_passed_in_and_returned():
    t, h = Input((5, 3)), Input((6,))
    layer = Old(6, return_state=True)
    y, last = layer(t, initial_state=h)
    model = Model([t, h], [y, last])
    start = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    found, state = model.predict([X, start])
    np.testing.assert_array_equal(found, state)
    kernel, inner = layer.get_weights()
    for step in range(5):
        start = np.tanh(X[:, step] @ kernel + start @ inner)
    np.testing.assert_allclose(found, start, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Layer has 1 states but was passed 2 initial states"):
        Old(6)(t, initial_state=[h, h])


def test_states_of_a_stateful_layer_can_be_set():
    model = Sequential([Old(6, stateful=True, batch_input_shape=(4, 5, 3))])
    layer = model.layers[0]
    layer.reset_states([np.ones((4, 6))])
    assert K.get_value(layer.states[0]).tolist() == np.ones((4, 6)).tolist()
    with pytest.raises(ValueError, match="expected shape=\\(4, 6\\), found shape=\\(4, 5\\)"):
        layer.reset_states(np.ones((4, 5)))
    with pytest.raises(AttributeError, match="Layer must be stateful"):
        Old(6).reset_states()


def test_config():
    model = Sequential([Old(6, go_backwards=True, implementation=1, input_dim=3, input_length=5)])
    config = model.layers[0].get_config()
    assert config["go_backwards"] is True and config["implementation"] == 1 and config["units"] == 6
    assert config["batch_input_shape"] == (None, 5, 3) and "cell" not in config
    with CustomObjectScope({"Old": Old}):
        again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_base_class_names_missing_methods():
    layer = Recurrent(name="mine")
    layer.units = 3
    with pytest.raises(NotImplementedError, match="Recurrent 'mine' does not say what a step is"):
        layer(X)


class Sums(ConvRecurrent2D):
    """A layer whose state is the sum of the convolved images so far."""

    def build(self, input_shape):
        channels = input_shape[2] if self.data_format == "channels_first" else input_shape[-1]
        self.kernel = self.add_weight(shape=(*self.kernel_size, channels, self.filters), name="kernel", initializer="ones")
        super().build(input_shape)

    def step(self, inputs, states):
        y = states[0] + K.conv2d(inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return y, [y]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_maps_as_states(data_format):
    first = data_format == "channels_first"
    shape = (3, 2, 5, 6) if first else (3, 5, 6, 2)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    layer = Sums(1, 2, strides=(1, 2), padding="VALID", data_format=data_format, return_sequences=True)
    model = Sequential([layer])
    y = model.predict(x) if model.built else Model(t := Input(shape), layer(t)).predict(x)
    assert layer.output_shape == ((None, 3, 1, 4, 3) if first else (None, 3, 4, 3, 1))
    images = x.sum(2) if first else x.sum(-1)
    windows = sum(images[:, :, i : i + 4, j : j + 5 : 2] for i in range(2) for j in range(2))
    np.testing.assert_allclose(y.reshape(4, 3, 4, 3), np.cumsum(windows, axis=1), rtol=1e-4, atol=1e-4)
    assert layer.get_config()["strides"] == (1, 2) and layer.get_config()["padding"] == "valid"


def test_both_directions_of_an_old_layer_train():
    model = Sequential([Bidirectional(Old(6, return_sequences=True), input_shape=(5, 3))])
    twin = Sequential([Bidirectional(SimpleRNN(6, use_bias=False, return_sequences=True), input_shape=(5, 3))])
    twin.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(X), twin.predict(X), rtol=1e-5, atol=1e-6)
    for each in (model, twin):
        each.compile("sgd", "mse")
        each.fit(X, np.zeros((4, 5, 12)), verbose=0)
    for ours, wanted in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6)
