"""A subclass of a recurrent layer that adds a weight to the layer itself. Source: Keras 2.2.5, where RNN lists its cell's weights."""

import numpy as np
import pytest

from lamella.layers import GRU, LSTM, RNN, Bidirectional, ConvLSTM2D, Dense, InputLayer, SimpleRNN, SimpleRNNCell
from lamella.models import Sequential
from lamella.optimizers import SGD


def scaled(base):
    class Scaled(base):
        def build(self, input_shape):
            super().build(input_shape)
            self.scale = self.add_weight(name="scale", shape=(2,), initializer="ones", trainable=True)

        def call(self, inputs, **named):
            return super().call(inputs, **named) * self.scale

    return Scaled


@pytest.mark.parametrize("base", [SimpleRNN, GRU, LSTM])
def test_only_the_weights_of_the_cell_are_listed(base):
    layer = scaled(base)(2)
    model = Sequential([InputLayer((3, 2)), layer, Dense(1)])
    model.compile(SGD(0.1), "mse")
    assert [w.name.split("/")[1] for w in layer.weights] == ["kernel:0", "recurrent_kernel:0", "bias:0"]
    assert layer.weights == layer.trainable_weights == layer.cell.weights and layer.non_trainable_weights == []
    assert len(model.get_weights()) == 5
    model.fit(np.ones((2, 3, 2)), np.ones((2, 1)), verbose=0)
    np.testing.assert_array_equal(layer.scale.value, [1, 1])
    layer.trainable = False
    assert (len(layer.weights), len(layer.trainable_weights), len(layer.non_trainable_weights)) == (3, 0, 3)


def test_numbers_of_keras(float64):
    model = Sequential([InputLayer((3, 2)), scaled(LSTM)(2), Dense(1)])
    model.compile(SGD(0.1), "mse")
    model.set_weights([np.full(w.shape, 0.1 * (i + 1)) for i, w in enumerate(model.get_weights())])
    x, y = np.ones((2, 3, 2)), np.ones((2, 1))
    assert model.train_on_batch(x, y) == pytest.approx(0.048020378, rel=3e-6)  # as Keras printed
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.023672855, rel=3e-6)


def test_cells_and_layers_around_list_as_before():
    class Cell(SimpleRNNCell):
        def build(self, input_shape):
            super().build(input_shape)
            self.extra = self.add_weight(name="extra", shape=(2,))

    layer = RNN([Cell(2), Cell(2)])
    Sequential([InputLayer((3, 2)), layer])
    assert len(layer.trainable_weights) == 8
    both = Bidirectional(scaled(GRU)(2))
    Sequential([InputLayer((3, 2)), both])
    assert len(both.trainable_weights) == 6
    maps = ConvLSTM2D(2, 3)
    Sequential([InputLayer((3, 5, 5, 2)), maps])
    assert len(maps.weights) == 3
